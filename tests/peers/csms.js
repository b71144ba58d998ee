// A CSMS by npm's ocpp-rpc in strict mode (schemas both ways): node csms.js HOST [PASSWORD [SUBPROTOCOL,...]]
//
// Standard input: one JSON object a line: {id, identity, method, params} calls a station, {respond: method, with: answer}
// changes an answer, {close: identity} closes its connection.
// Standard output: one JSON object a line: listening, connected, call, result, strict, bad, disconnected.
'use strict';

const readline = require('readline');
const { RPCServer, createRPCError } = require('ocpp-rpc');
const { strict } = require('./protocol21');

const [HOST, PASSWORD, PROTOCOLS = 'ocpp2.0.1'] = process.argv.slice(2);
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));

const overrides = {};
const answers = {
    BootNotification: () => ({ currentTime: new Date().toISOString(), interval: 60, status: 'Accepted' }),
    Heartbeat: () => ({ currentTime: new Date().toISOString() }),
    Authorize: () => ({ idTokenInfo: { status: 'Accepted' } }),
    TransactionEvent: (params) => (params.idToken ? { idTokenInfo: { status: 'Accepted' } } : {}),
    StatusNotification: () => ({}),
    NotifyReport: () => ({}),
    NotifyEvent: () => ({}),
    NotifyChargingLimit: () => ({}),
    ClearedChargingLimit: () => ({}),
    ReportChargingProfiles: () => ({}),
    MeterValues: () => ({}),
    SecurityEventNotification: () => ({}),
    FirmwareStatusNotification: () => ({}),
    LogStatusNotification: () => ({}),
};

const clients = new Map();
const server = new RPCServer({ ...strict(PROTOCOLS.split(',')), pingIntervalMs: 30000 });

server.auth((accept, reject, handshake) => {
    const given = handshake.password === undefined ? undefined : handshake.password.toString('utf8');
    if (PASSWORD !== undefined && given !== PASSWORD) {
        tell('refused', { identity: handshake.identity });
        reject(401, 'wrong password');
    } else {
        accept({});
    }
});

server.on('client', (client) => {
    const identity = client.identity;
    clients.set(identity, client);
    tell('connected', { identity, protocol: client.protocol });
    client.handle(({ method, params }) => {
        tell('call', { identity, method, params });
        if (overrides[method]) {
            return overrides[method];
        }
        if (!answers[method]) {
            throw createRPCError('NotImplemented');
        }
        return answers[method](params);
    });
    client.on('strictValidationFailure', ({ error, ...more }) => {
        tell('strict', { identity, error: String(error), details: error.details, more });
    });
    client.on('badMessage', ({ error }) => tell('bad', { identity, error: String(error) }));
    client.on('disconnect', ({ code }) => {
        if (clients.get(identity) === client) {
            clients.delete(identity);
        }
        tell('disconnected', { identity, code });
    });
});

async function call({ id, identity, method, params }) {
    try {
        const client = clients.get(identity);
        if (!client) {
            throw new Error('not connected');
        }
        tell('result', { id, result: await client.call(method, params) });
    } catch (error) {
        tell('result', { id, error: String(error.rpcErrorCode || error.message), details: error.details });
    }
}

async function main() {
    const http = await server.listen(0, HOST);
    tell('listening', { port: http.address().port });
    readline.createInterface({ input: process.stdin }).on('line', (line) => {
        const command = JSON.parse(line);
        if (command.respond) {
            overrides[command.respond] = command.with;
        } else if (command.close) {
            clients.get(command.close)?.close({ awaitPending: false, force: true });
        } else {
            call(command);
        }
    });
}

main();
