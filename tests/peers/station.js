// A station by npm's ocpp-rpc in strict mode, to try the demo CSMS with: node station.js URL IDENTITY [PASSWORD]
//
// Standard input: one JSON object a line: {id, method, params} calls the CSMS.
// Standard output: one JSON object a line: open, call (from the CSMS, accepted), result, strict, bad, disconnected.
'use strict';

const readline = require('readline');
const { RPCClient, createRPCError } = require('ocpp-rpc');

const [ENDPOINT, IDENTITY, PASSWORD] = process.argv.slice(2);
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));

const client = new RPCClient({
    endpoint: ENDPOINT,
    identity: IDENTITY,
    password: PASSWORD,
    protocols: ['ocpp2.0.1'],
    strictMode: true,
    reconnect: false,
});

client.handle(({ method, params }) => {
    tell('call', { method, params });
    if (method === 'Reset') {
        return { status: 'Accepted' };
    }
    throw createRPCError('NotSupported', 'not here');
});
client.on('strictValidationFailure', ({ error }) => tell('strict', { error: String(error) }));
client.on('badMessage', ({ error }) => tell('bad', { error: String(error) }));
client.on('disconnect', ({ code }) => tell('disconnected', { code }));

async function main() {
    await client.connect();
    tell('open', { protocol: client.protocol });
    readline.createInterface({ input: process.stdin }).on('line', async (line) => {
        const { id, method, params } = JSON.parse(line);
        try {
            tell('result', { id, result: await client.call(method, params) });
        } catch (error) {
            tell('result', { id, error: String(error.rpcErrorCode || error.message) });
        }
    });
}

main();
