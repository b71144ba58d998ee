// What a CSMS can see wrong of its stations beyond schemas: transactions, times, registers, who may speak when.
'use strict';

const [CALL, CALLRESULT, CALLERROR] = [2, 3, 4];
const MINUTE = 60000;
// The stations' clocks are ours, told over a wire (ms).
const AHEAD = 1000;
// A station gives a CALL up after its MessageTimeout (ms), unless a network profile says otherwise.
const MESSAGE_TIMEOUT = 30000;
const ALIGNED = 15 * MINUTE;
const REGISTERS = ['Energy.Active.Import.Register', 'Energy.Active.Export.Register'];

const deepEqual = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
function sorted(value) {
    if (Array.isArray(value)) {
        return value.map(sorted);
    }
    if (value === null || typeof value !== 'object') {
        return value;
    }
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

// Every time in a message, wherever it stands: [path, text].
function times(value, path = '') {
    if (value === null || typeof value !== 'object') {
        return [];
    }
    return Object.entries(value).flatMap(([key, inner]) =>
        ['timestamp', 'generatedAt', 'currentTime'].includes(key)
            ? [[`${path}.${key}`, inner]]
            : times(inner, `${path}.${key}`),
    );
}

class Station {
    constructor() {
        this.accepted = false;
        this.ids = new Set();
        this.open = null; // its CALL that waits for our answer: {id, at, action}
        this.answered = new Map(); // transaction/seqNo -> whether an answer went out in time
        this.transactions = new Map();
        this.statuses = new Map(); // EVSE/connector -> time of the last StatusNotification
        this.readings = []; // [EVSE, measurand, time, value]
        this.reports = new Map(); // requestId -> next seqNo
    }
}

class Judge {
    constructor(now) {
        this.now = now;
        this.begin = now();
        this.complaints = [];
        this.frames = [];
        this.counts = {};
        this.stations = new Map();
        this.ours = new Map(); // message id -> action of our CALLs
        this.theirs = new Map();
    }

    complain(identity, text) {
        this.complaints.push(`${new Date(this.now()).toISOString()} ${identity}: ${text}`);
    }

    station(identity) {
        if (!this.stations.has(identity)) {
            this.stations.set(identity, new Station());
        }
        return this.stations.get(identity);
    }

    connected(identity) {
        this.station(identity).open = null;
    }

    disconnected(identity) {
        this.station(identity).open = null;
    }

    // -- every frame, both ways

    frame(identity, outbound, text) {
        const frame = JSON.parse(text);
        this.frames.push({ at: this.now(), identity, outbound, frame });
        const [type, id, third] = frame;
        const asked = outbound ? this.ours : this.theirs;
        const answering = outbound ? this.theirs : this.ours;
        if (type === CALL) {
            asked.set(id, frame);
            this.count(outbound ? 'asked' : 'told', third);
            if (!outbound) {
                this.opens(identity, id, third);
            }
            return;
        }
        const of = answering.get(id);
        if (!of) {
            this.complain(identity, `an answer to nothing: ${text}`);
            return;
        }
        this.count(outbound ? 'answered' : 'got', type === CALLERROR ? `${of[2]} ${third}` : of[2]);
        if (outbound) {
            this.answers(identity, id, of, type);
        }
    }

    count(kind, name) {
        this.counts[kind] ??= {};
        this.counts[kind][name] = (this.counts[kind][name] || 0) + 1;
    }

    // Part 4, 4.1.1 and 4.1.4: one CALL at a time, each with an id of its own.
    opens(identity, id, action) {
        const station = this.station(identity);
        if (station.ids.has(id) || id.length > 36) {
            this.complain(identity, `message id ${id} of ${action} was used before or is too long`);
        }
        station.ids.add(id);
        const { open } = station;
        if (open && this.now() - open.at < MESSAGE_TIMEOUT) {
            this.complain(identity, `${action} was sent while ${open.action} was ${this.now() - open.at} ms old`);
        }
        station.open = { id, at: this.now(), action };
    }

    answers(identity, id, [, , action, params], type) {
        const station = this.station(identity);
        const inTime = station.open?.id === id;
        if (inTime) {
            station.open = null;
        }
        if (action === 'BootNotification' && type === CALLRESULT) {
            station.accepted = true;
        }
        if (action === 'TransactionEvent' && type === CALLRESULT && inTime) {
            station.answered.set(`${params.transactionInfo.transactionId}/${params.seqNo}`, true);
        }
    }

    // -- the calls of stations, which the schemas have passed

    call(identity, action, params) {
        const station = this.station(identity);
        if (action !== 'BootNotification' && !station.accepted) {
            this.complain(identity, `${action} before a BootNotification was accepted`);
        }
        for (const [path, text] of times(params)) {
            const at = Date.parse(text);
            if (!(at >= this.begin && at <= this.now() + AHEAD)) {
                this.complain(identity, `${action}${path} ${text} is not of this day`);
            }
        }
        const look = { TransactionEvent: 'event', StatusNotification: 'status', MeterValues: 'meter', NotifyReport: 'page' };
        if (look[action]) {
            this[look[action]](identity, station, params);
        }
    }

    status(identity, station, { evseId, connectorId, timestamp }) {
        const place = `${evseId}/${connectorId}`;
        const before = station.statuses.get(place);
        if (before && Date.parse(timestamp) < Date.parse(before)) {
            this.complain(identity, `the status of ${place} went back from ${before} to ${timestamp}`);
        }
        station.statuses.set(place, timestamp);
    }

    meter(identity, station, { evseId, meterValue }) {
        this.read(identity, station, evseId, meterValue);
    }

    page(identity, station, { requestId, seqNo, tbc }) {
        const due = station.reports.get(requestId) || 0;
        if (seqNo !== due) {
            this.complain(identity, `page ${seqNo} of report ${requestId} came, ${due} was due`);
        }
        station.reports.set(requestId, tbc ? seqNo + 1 : 0);
    }

    event(identity, station, event) {
        const { transactionId, stoppedReason } = event.transactionInfo;
        const wrong = (text) => this.complain(identity, `${transactionId} seqNo ${event.seqNo}: ${text}`);
        if (!station.transactions.has(transactionId)) {
            station.transactions.set(transactionId, { events: [], evse: null, began: event.timestamp });
        }
        const transaction = station.transactions.get(transactionId);
        const { events } = transaction;
        const before = events[event.seqNo];
        if (before) {
            if (station.answered.get(`${transactionId}/${event.seqNo}`)) {
                wrong('was answered, and came again');
            }
            const { offline: _, ...again } = event;
            const { offline: __, ...first } = before;
            if (!deepEqual(again, first)) {
                wrong(`came again with other content: ${JSON.stringify(first)} ${JSON.stringify(again)}`);
            }
            return;
        }
        if (event.seqNo !== events.length) {
            wrong(`${events.length} was due`);
        }
        const last = events[events.length - 1];
        if ((event.eventType === 'Started') !== (events.length === 0)) {
            wrong(`${event.eventType} as number ${events.length}`);
        }
        if (last?.eventType === 'Ended') {
            wrong('the transaction had ended');
        }
        if (last && Date.parse(event.timestamp) < Date.parse(last.timestamp)) {
            wrong(`time went back from ${last.timestamp} to ${event.timestamp}`);
        }
        if ((event.eventType === 'Ended') !== Boolean(stoppedReason)) {
            wrong(`${event.eventType} with stoppedReason ${stoppedReason}`);
        }
        events.push(event);
        transaction.evse ??= event.evse?.id ?? null;
        for (const { timestamp } of event.meterValue || []) {
            if (!(Date.parse(timestamp) >= Date.parse(transaction.began) && Date.parse(timestamp) <= Date.parse(event.timestamp))) {
                wrong(`a meter value of ${timestamp} in an event of ${event.timestamp}`);
            }
        }
        if (transaction.evse !== null) {
            this.read(identity, station, transaction.evse, event.meterValue || []);
        }
    }

    // Values: their order in a message, the aligned instants, and what is kept for the registers.
    read(identity, station, evse, meterValues) {
        let before = 0;
        for (const { timestamp, sampledValue } of meterValues) {
            const at = Date.parse(timestamp);
            if (at < before) {
                this.complain(identity, `meter values of EVSE ${evse} go back to ${timestamp}`);
            }
            before = at;
            for (const { measurand = REGISTERS[0], context = 'Sample.Periodic', value, unitOfMeasure } of sampledValue) {
                if (context === 'Sample.Clock' && at % ALIGNED) {
                    this.complain(identity, `an aligned ${measurand} of EVSE ${evse} is of ${timestamp}`);
                }
                if (REGISTERS.includes(measurand)) {
                    station.readings.push([evse, measurand, at, value * 10 ** (unitOfMeasure?.multiplier || 0)]);
                }
            }
        }
    }

    // -- the end of the day

    report() {
        const transactions = [];
        for (const [identity, station] of this.stations) {
            this.registers(identity, station);
            for (const [id, { events, evse }] of station.transactions) {
                const kinds = events.map(({ eventType }) => eventType);
                if (kinds.filter((kind) => kind === 'Ended').length !== 1) {
                    this.complain(identity, `${id} has not ended once: ${kinds.slice(-3)}`);
                }
                transactions.push({
                    identity,
                    id,
                    evse,
                    events: events.length,
                    offline: events.filter(({ offline }) => offline).length,
                    began: events[0].timestamp,
                    ended: events[events.length - 1].timestamp,
                    reason: events[events.length - 1].transactionInfo.stoppedReason,
                    triggers: [...new Set(events.map(({ triggerReason }) => triggerReason))],
                });
            }
        }
        return { complaints: this.complaints, counts: this.counts, transactions, frames: this.frames.length };
    }

    // A register only grows, in whatever order its readings came.
    registers(identity, { readings }) {
        const last = new Map();
        for (const [evse, measurand, at, value] of readings.sort((a, b) => a[2] - b[2] || a[3] - b[3])) {
            const key = `${measurand} of EVSE ${evse}`;
            if (value < (last.get(key) ?? 0)) {
                this.complain(identity, `${key} fell from ${last.get(key)} to ${value} at ${new Date(at).toISOString()}`);
            }
            last.set(key, value);
        }
    }
}

module.exports = { Judge };
