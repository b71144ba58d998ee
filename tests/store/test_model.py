"""Against a model of plain dicts: order, numbering without gaps, and restarts at any moment."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.errors import StoreError
from bridge.store.port import TransactionRow
from bridge.store.sqlite import SqliteStore, open_store

STATIONS = st.sampled_from(["A", "B"])
NAMES = st.sampled_from(["t1", "t2", "t3"])


class StoreMachine(RuleBasedStateMachine):
    """Records, answers, wrong numbers and restarts, in any order that hypothesis thinks of."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.store = self.open()
        self.open_transactions: dict[tuple[str, str], int] = {}
        self.ended: set[tuple[str, str]] = set()
        self.queue: list[tuple[int, str, str, int]] = []
        self.last_key = 0

    def open(self) -> SqliteStore:
        return self.runner.run(open_store(Path(self.folder.name) / "store.db"))

    @rule(station=STATIONS, name=NAMES, ends=st.booleans())
    def record(self, station: str, name: str, ends: bool) -> None:
        if (station, name) in self.ended:
            return
        due = self.open_transactions.get((station, name), 0)
        kept = self.runner.run(self.store.record(station, TransactionRow(name, 1, due, "{}"), "e", ends=ends))
        assert kept.key > self.last_key
        self.last_key = kept.key
        self.queue.append((kept.key, station, name, due))
        if ends:
            self.open_transactions.pop((station, name), None)
            self.ended.add((station, name))
        else:
            self.open_transactions[station, name] = due + 1

    @rule(station=STATIONS, name=NAMES, off=st.integers(1, 3))
    def record_out_of_turn(self, station: str, name: str, off: int) -> None:
        due = self.open_transactions.get((station, name), 0)
        try:
            self.runner.run(self.store.record(station, TransactionRow(name, 1, due + off, "{}"), "e"))
        except StoreError:
            return
        raise AssertionError("a gap was kept")

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.queue))
        self.runner.run(self.store.answered(entry[1], entry[0]))
        self.queue.remove(entry)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.open()

    @invariant()
    def is_as_the_model(self) -> None:
        for station in ("A", "B"):
            pending = self.runner.run(self.store.pending(station))
            found = [(event.key, station, event.transaction_id, event.seq_no) for event in pending]
            assert found == [entry for entry in self.queue if entry[1] == station]
            rows = self.runner.run(self.store.transactions(station))
            assert {(station, row.transaction_id): row.seq_no for row in rows} == {
                key: seq_no for key, seq_no in self.open_transactions.items() if key[0] == station
            }

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestStoreAgainstModel = StoreMachine.TestCase
