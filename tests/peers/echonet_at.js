// Puts npm's echonet-lite on one loopback address.
//
// The package binds 0.0.0.0:3610. Several nodes on one machine need an address each, so the socket it makes to receive is
// bound to ours instead, and a second one hears the group. Nothing of the package itself is changed.
'use strict';

const dgram = require('dgram');

const GROUP = '224.0.23.0';
const PORT = 3610;

module.exports = function echonetAt(address) {
    const create = dgram.createSocket;
    dgram.createSocket = function (options, listener) {
        const heard = listener && ((message, from) => from.address === address || listener(message, from));
        const socket = create.call(dgram, options, heard);
        const bind = socket.bind.bind(socket);
        socket.bind = function (...args) {
            const receives = args[0] && typeof args[0] === 'object' && args[0].port === PORT;
            if (!receives) {
                return bind(...args);
            }
            const group = create.call(dgram, { type: 'udp4', reuseAddr: true }, heard);
            group.bind({ address: GROUP, port: PORT }, () => group.addMembership(GROUP, address));
            socket.once('close', () => group.close());
            // What the package does once it is bound (it joins the group on the default interface) is done above.
            return bind({ address, port: PORT, exclusive: true }, () => socket.emit('ready'));
        };
        return socket;
    };
    const EL = require('echonet-lite');
    return EL;
};
