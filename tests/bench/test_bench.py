"""The benchmarks' bounds. Runs with `pytest --bench`, on a machine that does nothing else; writes `build/bench.json`.

Every figure is a ratio to a peer or to a floor that was measured in the same run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import echonet_decode, footprint, latency, rpc_bench, station_bench, table_bench

pytestmark = pytest.mark.bench

REPORT = Path(__file__).parents[2] / "build" / "bench.json"
Report = Callable[[str, dict[str, Any]], None]


@pytest.fixture(scope="module")
def report() -> Report:
    """Keep what a benchmark has measured; what others have measured before stays."""

    def write(name: str, figures: dict[str, Any]) -> None:
        REPORT.parent.mkdir(exist_ok=True)
        known = json.loads(REPORT.read_text()) if REPORT.exists() else {}
        REPORT.write_text(json.dumps(known | {name: figures}, indent=1) + "\n")

    return write


def test_frames_are_decoded_as_fast_as_by_a_decoder_that_checks_nothing(report: Report) -> None:
    figures = echonet_decode.measure()
    report("echonet-frame-decode", figures)
    assert figures["ratio"] >= 1.0


def test_a_table_decides_in_no_time(report: Report) -> None:
    report("table", table_bench.measure())


async def test_a_call_is_answered_fifteen_times_as_fast_as_by_the_ocpp_package(report: Report) -> None:
    figures = await rpc_bench.measure()
    report("ocpp-call", figures)
    assert figures["ratio"] >= 15


async def test_the_station_too(report: Report, tmp_path: Path) -> None:
    """With all that the station does: the rules of K01, the composite schedule; and with its store."""
    figures = await station_bench.measure(tmp_path)
    report("set-charging-profile", figures)
    assert figures["ratio"] >= 15


async def test_a_start_reaches_the_unit_soon(report: Report, tmp_path: Path) -> None:
    figures = await latency.measure(tmp_path)
    report("start-to-datagram", figures)
    assert figures["reads_first"] <= figures["rounds"] // 4  # else something else was measured
    assert figures["ratio"] <= 3.0


async def test_an_idle_gateway_is_small_and_starts_soon(report: Report, tmp_path: Path) -> None:
    figures = await footprint.measure(tmp_path)
    report("footprint", figures)
    assert figures["not_needed"] == []
    assert figures["rss_beyond_libraries_mib"] <= 15
    assert figures["rss_mib"] <= 75
    assert figures["boot_beyond_imports_s"] <= 1.5
