-- A store of schema 2, as 0.2 writes it.
PRAGMA application_id = 1329938993;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE authorization (
            station TEXT NOT NULL, token TEXT NOT NULL, payload TEXT NOT NULL,
            PRIMARY KEY (station, token)) WITHOUT ROWID;
INSERT INTO "authorization" VALUES('CS-1','digest','known');
CREATE TABLE event (
            key INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT NOT NULL, transaction_id TEXT NOT NULL,
            seq_no INTEGER NOT NULL, payload TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
            UNIQUE (station, transaction_id, seq_no));
INSERT INTO "event" VALUES(2,'CS-1','t',1,'second',3);
CREATE TABLE open_transaction (
            station TEXT NOT NULL, transaction_id TEXT NOT NULL, evse_id INTEGER NOT NULL,
            seq_no INTEGER NOT NULL CHECK (seq_no >= 0), state TEXT NOT NULL,
            PRIMARY KEY (station, transaction_id)) WITHOUT ROWID;
INSERT INTO "open_transaction" VALUES('CS-1','t',1,2,'{"a":1}');
CREATE TABLE profile (
            arrival INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT NOT NULL, profile_id INTEGER NOT NULL,
            evse_id INTEGER NOT NULL, transaction_id TEXT, payload TEXT NOT NULL,
            UNIQUE (station, profile_id));
INSERT INTO "profile" VALUES(1,'CS-1',7,1,NULL,'profile');
CREATE TABLE setting (
            station TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (station, name)) WITHOUT ROWID;
INSERT INTO "setting" VALUES('CS-1','name','value');
CREATE INDEX event_by_station ON event (station, key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',2);
INSERT INTO "sqlite_sequence" VALUES('profile',1);
COMMIT;
