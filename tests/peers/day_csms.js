// A strict CSMS for a whole virtual day: npm's ocpp-rpc with the OCPP schemas both ways, and a judge of its own.
//
//     node day_csms.js HOST CLOCK_FILE PASSWORD SUBPROTOCOL
//
// What time it is stands in CLOCK_FILE (8 bytes, milliseconds since 1970 as a double): the test's virtual clock. So
// nothing here waits by itself; whoever lets time pass first says {do: "sync"}, and passes over no answer that way.
// Standard input: one JSON object a line, see `commands`. Standard output: one JSON object a line: listening, connected,
// disconnected, refused, call (of a station), result (of our call), alarm (wake me then), synced, report.
'use strict';

const fs = require('fs');
const readline = require('readline');
const { NOREPLY, RPCServer, createRPCError } = require('ocpp-rpc');
const { Judge } = require('./day_judge');
const { strict } = require('./protocol21');

const [HOST, CLOCK_FILE, PASSWORD, PROTOCOL] = process.argv.slice(2);
const tell = (event, more) => fs.writeSync(1, `${JSON.stringify({ event, ...more })}\n`);

const clock = fs.openSync(CLOCK_FILE, 'r');
function now() {
    const bytes = Buffer.alloc(8);
    fs.readSync(clock, bytes, 0, 8, 0);
    return bytes.readDoubleLE(0);
}
const utc = (ms) => new Date(ms).toISOString();

// -- what a station's calls are answered with

const tokens = {}; // idToken -> idTokenInfo of those that are not simply accepted
const habits = {}; // action -> answers that are used up: null, {error}, {late: ms}, {never: true}, {with: payload}
const alarms = []; // [at, resolve]

const info = (token) => tokens[token.idToken] || { status: 'Accepted' };
const answers = {
    BootNotification: () => ({ currentTime: utc(now()), interval: 300, status: 'Accepted' }),
    Heartbeat: () => ({ currentTime: utc(now()) }),
    Authorize: ({ idToken }) => ({ idTokenInfo: info(idToken) }),
    TransactionEvent: ({ idToken }) => (idToken ? { idTokenInfo: info(idToken) } : {}),
    StatusNotification: () => ({}),
    NotifyReport: () => ({}),
    NotifyEvent: () => ({}),
    MeterValues: () => ({}),
    SecurityEventNotification: () => ({}),
    PullDynamicScheduleUpdate: () => ({ status: 'Rejected' }), // unless a habit has values
};

function later(ms) {
    const at = now() + ms;
    tell('alarm', { at });
    return new Promise((resolve) => alarms.push([at, resolve]));
}

async function answer(method, params) {
    const habit = (habits[method] || []).shift();
    if (habit?.late) {
        await later(habit.late);
    }
    if (habit?.never) {
        return NOREPLY;
    }
    if (habit?.error) {
        throw createRPCError(habit.error, 'so it was wanted');
    }
    if (!answers[method]) {
        throw createRPCError('NotImplemented');
    }
    return habit?.with || answers[method](params);
}

// -- connections

const judge = new Judge(now);
const clients = new Map();
let refusing = 0; // HTTP status of refused handshakes
let http;
let port = 0;

// Its own pings and time-outs would run on real time.
const server = new RPCServer({ ...strict([PROTOCOL]), pingIntervalMs: 0, callTimeoutMs: 600000 });

server.auth((accept, reject, { identity, password, endpoint }) => {
    if (refusing || String(password) !== PASSWORD) {
        tell('refused', { identity });
        reject(refusing || 401, 'not now');
    } else {
        accept({ endpoint });
    }
});

server.on('client', (client) => {
    const { identity } = client;
    clients.set(identity, client);
    judge.connected(identity);
    tell('connected', { identity, endpoint: client.session.endpoint, protocol: client.protocol });
    client.on('message', ({ message, outbound }) => judge.frame(identity, outbound, String(message)));
    client.handle(({ method, params, messageId }) => {
        judge.call(identity, method, params, messageId);
        // A report may be longer than what waits in a pipe: its rows stay here.
        const { reportData, ...more } = params;
        tell('call', { identity, method, params: reportData ? { ...more, rows: reportData.length } : params });
        return answer(method, params);
    });
    client.on('strictValidationFailure', ({ error, method, params, result, outbound, isCall }) => {
        const what = `${method} ${isCall ? 'call' : 'answer'} ${outbound ? 'of the CSMS' : 'of the station'}`;
        const which = JSON.stringify(error.details);
        judge.complain(identity, `schema: ${what}: ${error} ${which} ${JSON.stringify(isCall ? params : result)}`);
    });
    client.on('badMessage', ({ error, buffer }) => judge.complain(identity, `bad message: ${error}: ${buffer}`));
    client.on('disconnect', ({ code }) => {
        if (clients.get(identity) === client) {
            clients.delete(identity);
        }
        judge.disconnected(identity);
        tell('disconnected', { identity, code });
    });
});

async function listen() {
    http = await server.listen(port, HOST);
    port = http.address().port;
    tell('listening', { port });
}

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

const commands = {
    call,
    token: ({ idToken, info: of }) => {
        tokens[idToken] = of;
    },
    habit: ({ action, as }) => {
        habits[action] = [...(habits[action] || []), ...as];
    },
    tick: () => {
        for (const due of alarms.filter(([at]) => at <= now())) {
            alarms.splice(alarms.indexOf(due), 1);
            due[1]();
        }
    },
    // Connections break, without a word, and none is taken.
    dark: () => {
        http.close();
        clients.forEach((client) => client.close({ force: true }));
    },
    light: listen,
    refuse: ({ status }) => {
        refusing = status;
    },
    close: ({ identity }) => clients.get(identity)?.close({ code: 1001, reason: 'maintenance' }),
    // All that had arrived before has been dealt with: a few turns of the event loop, each of which polls the sockets.
    sync: ({ n, turns = 8 }) => {
        setImmediate(() => (turns ? commands.sync({ n, turns: turns - 1 }) : tell('synced', { n })));
    },
    report: ({ frames }) => {
        if (frames) {
            fs.writeFileSync(frames, judge.frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
        }
        tell('report', judge.report());
    },
};

async function main() {
    await listen();
    readline.createInterface({ input: process.stdin }).on('line', (line) => {
        const command = JSON.parse(line);
        commands[command.do](command);
    });
}

main();
