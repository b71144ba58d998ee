"""The table of 0x027E, and an if-ladder written by hand from the decision tables, decide alike."""

from bridge.mapping.context import Decoder
from bridge.mapping.examples import view_of
from bridge.mapping.load import load_mappings
from tests.bench.decision_bench import CLASS, answer, everything
from tests.bench.decision_ladder import decide


def test_the_table_and_the_ladder_decide_alike() -> None:
    source = next(source for source in load_mappings().sources if source.table.class_code == CLASS)
    decode = Decoder(source.table.device).decode
    views = list(everything([view_of(source, example) for example in source.model.examples]))
    assert len(views) > 4_000
    assert [view for view in views if answer(source.table, view) != decide(decode, view)] == []
