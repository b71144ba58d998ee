"""The benchmarks' bounds. Runs with `pytest --bench`, on a machine that does nothing else; writes `build/bench.json`.

Every figure is a ratio to a peer or to a floor that was measured in the same run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import (
    decision_bench,
    echonet_decode,
    enqueue_bench,
    fleet_bench,
    footprint,
    latency,
    load_bench,
    offline_bench,
    rpc_bench,
    station_bench,
    storm_bench,
    table_bench,
    units_bench,
)

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


def test_a_table_decides_nearly_as_fast_as_an_if_ladder_that_says_the_same(report: Report) -> None:
    figures = decision_bench.measure()
    report("decision", figures)
    assert figures["views"] >= 100
    assert figures["different_answers"] == 0
    assert figures["table_us"] <= 20
    assert figures["ratio"] <= 5
    assert figures["ratio_of_sums"] <= 5


async def test_all_mappings_are_loaded_soon_and_sooner_from_the_cache(report: Report, tmp_path: Path) -> None:
    figures = await load_bench.measure(tmp_path)
    report("load", figures)
    assert figures["tables"] >= 4
    assert figures["troubles"] == []
    assert figures["cold_s"] <= 1.0
    assert figures["cached_s"] <= 0.3
    assert figures["cold_mib"] <= figures["none_mib"] + 0.5
    assert figures["cached_mib"] <= figures["none_mib"]
    assert figures["one_cached_mib"] <= figures["one_none_mib"]


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


async def test_a_profile_reaches_the_unit_soon(report: Report, tmp_path: Path) -> None:
    figures = await latency.measure_profiles(tmp_path)
    report("profile-to-datagram", figures)
    assert figures["reads_first"] <= figures["rounds"] // 4
    assert figures["ratio"] <= 3.0


async def test_edges_come_in_time_with_two_hundred_stations(report: Report, tmp_path: Path) -> None:
    """Within 50 ms; where the unit has just been asked something, the gap between two requests comes before it."""
    found = {f"gap_{gap}": await fleet_bench.edges(tmp_path / str(gap), gap) for gap in (0, 100)}
    report("edges", found)
    for gap, figures in zip((0, 100), found.values(), strict=True):
        assert figures["one_by_one_ms"]["first"] >= -5  # never before its time, as far as two programs know it
        assert figures["one_by_one_ms"]["last"] <= 50 + gap
        assert figures["at_once_ms"]["last"] <= 1_000  # 200 settings at one instant: each to within a second
    assert found["gap_100"]["one_by_one_ms"]["p50"] <= 50


async def test_an_idle_gateway_is_small_and_starts_soon(report: Report, tmp_path: Path) -> None:
    figures = await footprint.measure(tmp_path)
    report("footprint", figures)
    assert figures["not_needed"] == []
    assert figures["rss_beyond_libraries_mib"] <= 15
    assert figures["rss_mib"] <= 75
    assert figures["boot_beyond_imports_s"] <= 1.5


async def test_two_hundred_units_take_little_of_a_core_and_each_costs_the_same(report: Report, tmp_path: Path) -> None:
    figures = await units_bench.measure_cost(tmp_path)
    report("units-cost", figures)
    for site in figures["sites"]:
        assert site["properties_read"] >= 25  # of each unit, every 10 s: else something else was measured
        assert site["gets_per_s"] >= 0.9 * site["units"] * 5 / 10
    assert figures["share_of_200"] <= 0.15
    assert figures["kb_per_unit"] <= 100
    assert figures["share_of_400_to_200"] <= 2.3


async def test_news_are_decided_soon_and_units_in_trouble_slow_no_other(report: Report, tmp_path: Path) -> None:
    figures = await units_bench.measure_latencies(tmp_path)
    report("units-latency", figures)
    well, troubled = figures["all_well"], figures["three_in_trouble"]
    assert well["status_ms"]["count"] >= 400
    assert well["status_ms"]["p99"] <= 2.0
    assert troubled["status_ms"]["p99"] <= 2.0
    for what in ("request_ms", "status_ms"):
        assert troubled[what]["p50"] <= 1.3 * well[what]["p50"]
        assert troubled[what]["p99"] <= 1.5 * well[what]["p99"] + 1.0


async def test_commands_get_through_a_storm_which_leaves_nothing_behind(report: Report, tmp_path: Path) -> None:
    figures = await storm_bench.measure(tmp_path, seconds=10)
    report("storm", figures)
    assert figures["per_s"] >= 9_500
    assert figures["commands"] >= 50
    assert figures["slowest_command_s"] <= 0.5
    assert figures["rss_peak"] - figures["rss_before"] <= 2_000_000
    assert figures["log_lines_of_a_kind"] == 1
    assert figures["kinds_in_the_log"]


async def test_two_hundred_stations_take_a_quarter_of_a_core_and_little_memory(report: Report, tmp_path: Path) -> None:
    """Each with a link, a queue, a running transaction, meter values every 60 s, and the unit behind it as well."""
    figures = await fleet_bench.measure(tmp_path)
    report("fleet", figures)
    for name, bound in (("ws", 150), ("wss", 200)):
        for site in figures[name]["sites"]:
            assert site["connected"] == site["stations"]
            assert site["fewest_samples"] >= 1  # in a window of 60 s: else something else was measured
            assert site["share"] <= 0.25
        assert figures[name]["kib_per_station"] <= bound  # at 200; at 25 a page more or less is a KiB a station
        assert figures[f"north_{name}"]["share"] <= 0.02
        assert figures[f"north_{name}"]["kib_per_station"] <= bound - 40


async def test_a_queue_waits_for_no_other_station_s(report: Report, tmp_path: Path) -> None:
    """200 stations with 100 events each after an outage; once all are answered at once, and once two are not."""
    alike = await fleet_bench.outage(tmp_path / "alike", {})
    slow = {"S003": 200, "S150": 300}
    beside = await fleet_bench.outage(tmp_path / "beside", slow)
    report("outage", {"alike": alike, "beside_slow_ones": beside})
    for figures in (alike, beside):
        assert figures["queued_at_least"] >= 100
        assert figures["repeats"] <= 200  # what was on its way when the CSMS went, of each station at most one
        assert figures["share_while_dark"] <= 0.6  # 200 events and 27 dials a second
    assert min(beside["slow_s"].values()) >= 20
    assert beside["from_connection_s"]["last"] <= 1.5 * alike["from_connection_s"]["last"] + 1.0


async def test_two_thousand_events_a_second_are_durable(report: Report, tmp_path: Path) -> None:
    figures = await enqueue_bench.measure(tmp_path)
    report("durable-enqueue", figures)
    assert figures["burst"]["ours"]["per_s"] >= 2_000
    assert figures["burst"]["ours"]["cpu_us"] <= 250
    for found in figures["burst"], figures["one_by_one"]:  # processor time: a thread that waits its turn costs no more
        assert found["ours"]["cpu_us"] <= 6 * found["bare"]["cpu_us"]


def test_seven_days_offline_are_kept_and_delivered_in_order(report: Report, tmp_path: Path) -> None:
    figures = offline_bench.measure(tmp_path)
    report("seven-days-offline", figures)
    for found in figures["week"], figures["week_then_killed"]:
        assert found["faults"] == []
        assert found["values"] >= offline_bench.A_WEEK
        assert found["waiting"] >= offline_bench.A_WEEK
        assert found["last_number"] == found["events"] - 1
        assert (found["left"], found["repeats"]) == ([], 0)
        assert found["rss_growth"] <= 4_000_000  # SQLite's own cache of 2 MB in it
        assert found["bytes_per_event"] <= 1_500
        assert found["enqueue_ms"] + found["deliver_ms"] <= 5
    assert figures["kib_of_a_week_in_memory"] <= 250
