// A charger/discharger (0x027E) whose frames are made and read by npm's echonet-lite: node device.js ADDRESS [CARD]
//
// Standard input: one command a line: plug [SOC], unplug, fault, mend, set EPC HEX (and announce it), quit.
// Standard output: one JSON object a line: ready, heard (each request to the device), changed (each property).
'use strict';

const readline = require('readline');

const [, , ADDRESS, CARD] = process.argv;
const { EL, group: GROUP, version: VERSION } = require('./echonet_at')(ADDRESS, CARD);

const EOJ = '027e01';
const SET_NEEDS = {
    da: ['42', '43', '44', '47'],
    dc: ['01', '03', '04'],
    dd: ['01', '03', '04'],
};
const SETTABLE = ['81', 'cd', 'da', 'dc', 'dd', 'ea', 'eb', 'ec', 'ed', 'ee'];
const ANNOUNCED = ['80', '81', '88', 'c7', 'da', 'dc', 'dd'];

const bytes = (hex) => Array.from(Buffer.from(hex, 'hex'));
const number = (value, size) => bytes((value < 0 ? 2 ** (8 * size) + value : value).toString(16).padStart(2 * size, '0'));
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));

function propertyMap(epcs) {
    const codes = epcs.map((epc) => parseInt(epc, 16));
    if (codes.length < 16) {
        return [codes.length, ...codes];
    }
    const map = new Array(16).fill(0);
    for (const code of codes) {
        map[code & 0x0f] |= 1 << ((code >> 4) - 8);
    }
    return [codes.length, ...map];
}

const lastByte = Number(ADDRESS.split(/[.:]/).pop()) & 0xff;
const identity = [0xfe, 0x00, 0x00, 0x77, ...Buffer.from('peer-device-'), lastByte];
const unit = {
    80: [0x30],
    81: [0x00],
    82: [0x00, 0x00, 'P'.charCodeAt(0), 0x01],
    83: identity,
    88: [0x42],
    '8a': [0x00, 0x00, 0x77],
    c0: number(30000, 4),
    c2: number(15000, 4),
    c4: [50],
    c5: number(6000, 4),
    c6: number(5900, 4),
    c7: [0x30],
    c8: [...number(500, 4), ...number(6000, 4)],
    c9: [...number(500, 4), ...number(5900, 4)],
    ca: [...number(15, 2), ...number(300, 2)],
    cb: [...number(15, 2), ...number(300, 2)],
    cc: [0x32],
    ce: number(30000, 4),
    cf: number(15000, 4),
    d0: number(40000, 4),
    d3: number(0, 4),
    d5: number(350, 2),
    d6: number(1000, 4),
    d8: number(2000, 4),
    da: [0x47],
    dc: [0x01],
    dd: [0x01],
    e2: number(20000, 4),
    e4: [50],
    e6: [0x00],
    ea: number(0, 4),
    eb: number(6000, 4),
    ec: number(5900, 4),
    ed: number(150, 2),
    ee: number(150, 2),
};
unit['9d'] = propertyMap(ANNOUNCED);
unit['9e'] = propertyMap(SETTABLE);
unit['9f'] = propertyMap([...Object.keys(unit).filter((epc) => !['9d', '9e'].includes(epc)), '9d', '9e', '9f']);
const details = { [EOJ]: unit };

function change(epc, edt) {
    const before = Buffer.from(unit[epc] || []).toString('hex');
    unit[epc] = edt;
    const now = Buffer.from(edt).toString('hex');
    if (before === now) {
        return;
    }
    tell('changed', { epc, edt: now });
    if (ANNOUNCED.includes(epc)) {
        EL.sendOPC1(GROUP, EOJ, '0ef001', EL.INF, epc, edt);
    }
}

// Power follows mode, method and settings at once; plus is into the car.
function settle() {
    const plugged = unit.c7[0] === 0x43;
    const setting = (method, epc, most) =>
        unit[method][0] === 0x03 ? Math.min(Buffer.from(unit[epc]).readUInt32BE(), most) : most;
    let power = 0;
    if (plugged && unit['88'][0] === 0x42) {
        power = { 0x42: () => setting('dc', 'eb', 6000), 0x43: () => -setting('dd', 'ec', 5900) }[unit.da[0]]?.() ?? 0;
    }
    change('d3', number(power, 4));
}

function acceptable(epc, edt) {
    if (!SETTABLE.includes(epc)) {
        return false;
    }
    if (epc === 'da' && ['42', '43'].includes(edt) && unit.c7[0] !== 0x43) {
        return false;
    }
    if (SET_NEEDS[epc]) {
        return SET_NEEDS[epc].includes(edt);
    }
    return unit[epc] ? edt.length === unit[epc].length * 2 : edt === '10';
}

function write(from, els) {
    const wanted = Object.entries(els.DETAILs);
    if (wanted.some(([epc, edt]) => !acceptable(epc, edt))) {
        refuse(from, els, wanted);
        return;
    }
    EL.replySetDetail(from, els, { [EOJ]: { ...unit, cd: [0x10] } });
    for (const [epc, edt] of wanted) {
        if (epc !== 'cd') {
            change(epc, bytes(edt));
        }
    }
    settle();
}

// The package's own SetC_SNA loses bytes of values longer than one, so the frame is written here and sent by it.
function refuse(from, els, wanted) {
    const list = wanted.flatMap(([epc, edt]) => {
        if (acceptable(epc, edt)) {
            change(epc, bytes(edt));
            return [parseInt(epc, 16), 0];
        }
        return [parseInt(epc, 16), edt.length / 2, ...bytes(edt)];
    });
    const esv = els.ESV === EL.SETC ? 0x51 : 0x50;
    settle();
    EL.sendArray(from, [0x10, 0x81, ...bytes(els.TID), ...bytes(els.DEOJ), ...bytes(els.SEOJ), esv, wanted.length, ...list]);
}

function received(from, els, error) {
    if (error || !els || ![EOJ, '027e00'].includes(els.DEOJ)) {
        return;
    }
    els.DEOJ = EOJ;
    tell('heard', { from: from.address, esv: els.ESV, properties: els.DETAILs });
    if (els.ESV === EL.GET) {
        EL.replyGetDetail(from, els, details);
    } else if (els.ESV === EL.SETC || els.ESV === EL.SETI) {
        write(from, els);
    } else if (els.ESV === EL.INF_REQ) {
        Object.keys(els.DETAILs).forEach((epc) => EL.sendOPC1(GROUP, EOJ, '0ef001', EL.INF, epc, unit[epc]));
    }
}

const commands = {
    plug: (soc = '50') => {
        change('e4', [Number(soc)]);
        change('e2', number(Number(soc) * 400, 4));
        change('c7', [0x43]);
    },
    unplug: () => {
        change('da', [0x47]);
        change('c7', [0x30]);
    },
    fault: () => change('88', [0x41]),
    mend: () => change('88', [0x42]),
    set: (epc, hex) => change(epc.toLowerCase(), bytes(hex)),
    quit: () => process.exit(0),
};

async function main() {
    const options = { v4: ADDRESS, ignoreMe: false, autoGetProperties: false };
    const socket = await EL.initialize([EOJ], received, VERSION, options);
    EL.usingIF.v6 = ''; // each address that needs a card names it
    EL.Node_details['83'] = identity;
    EL.Node_details['8a'] = [0x00, 0x00, 0x77];
    socket.once('ready', () => tell('ready', { address: ADDRESS }));
    readline.createInterface({ input: process.stdin }).on('line', (line) => {
        const [name, ...args] = line.trim().split(/\s+/);
        if (commands[name]) {
            commands[name](...args);
            settle();
            tell('done', { command: line.trim() });
        }
    });
}

main();
