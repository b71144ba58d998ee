// Puts npm's echonet-lite on one address of this machine, IPv4 or IPv6.
//
// The package binds 0.0.0.0:3610 or [::]:3610. Several nodes on one machine need an address each, so the socket it makes
// to receive is bound to ours instead, and a second one hears the group. On IPv6 what it sends leaves from our address
// too (on IPv4 it sees to that itself). Nothing of the package itself is changed.
'use strict';

const dgram = require('dgram');

const PORT = 3610;

// `card` is the network card, which IPv6 needs for multicast.
module.exports = function echonetAt(address, card) {
    const six = address.includes(':');
    const family = six ? 'udp6' : 'udp4';
    const group = six ? `ff02::1%${card}` : '224.0.23.0';
    const own = six && address.startsWith('fe80:') ? `${address}%${card}` : address;
    const create = dgram.createSocket;

    function receives(socket, heard) {
        const bind = socket.bind.bind(socket);
        socket.bind = function (...args) {
            if (!args[0] || typeof args[0] !== 'object' || args[0].port !== PORT) {
                return bind(...args);
            }
            const all = create.call(dgram, { type: family, reuseAddr: true }, heard);
            all.bind({ address: group, port: PORT }, () =>
                all.addMembership(group.split('%')[0], six ? `::%${card}` : address)
            );
            socket.once('close', () => all.close());
            // What the package does once it is bound (it joins the group on the default interface) is done above.
            return bind({ address: own, port: PORT, exclusive: true }, () => socket.emit('ready'));
        };
    }

    function sends(socket) {
        const send = socket.send.bind(socket);
        socket.send = (...args) => socket.bind({ address: own, port: 0 }, () => send(...args));
    }

    dgram.createSocket = function (options, listener) {
        const heard = listener && ((message, from) => from.address.split('%')[0] === address || listener(message, from));
        const socket = create.call(dgram, options, heard);
        if (listener) {
            receives(socket, heard);
        } else if (six) {
            sends(socket);
        }
        return socket;
    };
    const EL = require('echonet-lite');
    return { EL, group, version: six ? 6 : 4 };
};
