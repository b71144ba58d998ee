"""`ocpp-echonet profile` with a gateway: its installed profiles, a unit as it stands, and pictures of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.gateway.api import ControlApi
from bridge.sim.unit import SimUnitConfig
from tests.cli.test_present import gateway, site
from tests.tools.house import STATION, UNITS, House, run

PLAN = {0: 3000.0, 3600: 0.0, 7200: -2000.0}


def plan(begins: str, limits: Mapping[int, float]) -> dict[str, Any]:
    periods = [{"startPeriod": second, "limit": limit} for second, limit in limits.items()]
    schedule = {"id": 1, "startSchedule": begins, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    return {
        "id": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }


async def ask(here: House, **request: Any) -> dict[str, Any]:
    answer = await ControlApi(here.gateway).answer(json.dumps({"api": 1, **request}), lambda _: None)
    return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


async def charging(here: House) -> None:
    """A car that charges by `PLAN`, which began a minute ago."""
    begins = (here.csms.utc() - timedelta(minutes=1)).isoformat()
    answer = await here.call("SetChargingProfile", evseId=1, chargingProfile=plan(begins, PLAN))
    assert answer["status"] == "Accepted"
    await here.start()
    await here.settle()


@contextmanager
def gateway_of(folder: Path, answers: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A gateway's socket that answers each request by what it asks for."""
    with gateway(folder, lambda request: answers[request["do"]]) as heard:
        yield heard


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """What a gateway with a car that charges answers."""
    answers: dict[str, Any] = {}

    async def play(here: House) -> None:
        await charging(here)
        answers["schedule"] = await ask(here, do="schedule", station=STATION, evse=1, hours=4)
        answers["explain"] = await ask(here, do="explain", unit="car")

    run(play)
    return answers


def test_the_api_tells_the_pieces_with_their_reasons() -> None:
    async def play(here: House) -> None:
        await charging(here)
        told = (await ask(here, do="schedule", station=STATION, evse=1, hours=4))["result"]
        assert [piece["limit_w"] for piece in told["pieces"]] == [3000, 0, -2000]
        assert {piece["decided_by"]["profile"] for piece in told["pieces"]} == {7}
        assert (told["limit_in_force_w"], told["offered_w"]) == (3000, 3000)
        assert told["measured_w"] == pytest.approx(3000, abs=10)
        assert (told["unit"], told["wants_energy"], told["may_discharge"]) == ("car", True, True)
        assert told["transaction"]
        composite = await here.call("GetCompositeSchedule", evseId=1, duration=4 * 3600)
        periods = composite["schedule"]["chargingSchedulePeriod"]
        assert [period["limit"] for period in periods] == [piece["limit_w"] for piece in told["pieces"]]
        await ask(here, do="limit_set", station=STATION, evse=1, watts=1500)
        told = (await ask(here, do="schedule", station=STATION, evse=1, hours=1))["result"]
        first = told["pieces"][0]
        assert (first["limit_w"], first["lead"]["profile"]) == (1500, 7)
        assert (first["decided_by"]["source"], first["decided_by"]["words"]) == ("EMS", "1500 W")

    run(play)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"station": "CS-9", "evse": 1}, '"station" is one of CS-1'),
        ({"station": STATION, "evse": 2}, '"evse" is one of [1]'),
        ({"station": STATION, "evse": 1, "hours": 0}, '"hours" is a number above 0'),
        ({"station": STATION, "evse": 1, "hours": True}, '"hours" is a number above 0'),
        ({"station": STATION, "evse": 1, "hours": 1e9}, '"hours" is a number above 0'),
    ],
)
def test_a_wrong_request_is_told(request_: dict[str, Any], said: str) -> None:
    async def play(here: House) -> None:
        assert said in (await ask(here, do="schedule", **request_))["error"]

    run(play)


def test_a_schedule_that_changes_too_often_is_refused() -> None:
    async def play(here: House) -> None:
        often = {second: float(second % 2 * 1000) for second in range(1000)}
        daily = {
            **plan(here.csms.utc().isoformat(), often),
            "chargingProfileKind": "Recurring",
            "recurrencyKind": "Daily",
        }
        assert (await here.call("SetChargingProfile", evseId=1, chargingProfile=daily))["status"] == "Accepted"
        answer = await ask(here, do="schedule", station=STATION, evse=1, hours=14 * 24)
        assert "changes more than" in answer["error"]
        assert "result" in await ask(here, do="schedule", station=STATION, evse=1, hours=1)

    run(play)


def test_a_station_is_explained_through_its_socket(
    recorded: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "profile",
        "explain",
        "--station",
        STATION,
        "--evse",
        "1",
        "--hours",
        "4",
        "--config",
        str(site(tmp_path)),
    ]
    with gateway_of(tmp_path, recorded) as heard:
        assert main([*arguments, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert main(arguments) == 0
        text = capsys.readouterr().out
    assert heard[0] == {"api": 1, "do": "schedule", "station": STATION, "evse": 1, "hours": 4.0}
    charge, pause, discharge = told["pieces"]
    assert all(each["stands"] for each in charge["unit"]["writes"]), "it charges so already"
    assert [each["text"] for each in pause["unit"]["writes"]] == ["operationMode=standby (DA=44)"]
    assert (discharge["unit"]["mode"], discharge["unit"]["granted_w"]) == ("discharge", -2000)
    assert f"EVSE 1 of {STATION}, unit car: transaction" in text
    assert "TxDefaultProfile 7 (stack level 0) says -2000 W, which decides" in text


def test_a_file_is_tried_on_a_unit_as_it_stands(
    recorded: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"evseId": 1, "chargingProfile": plan("2026-01-06T00:00:00Z", {0: 3000, 3600: 2000})}))
    arguments = ["profile", "explain", "--profile", str(path), "--unit", "car", "--at", "2026-01-06T00:00:00Z"]
    with gateway_of(tmp_path, recorded):
        assert main([*arguments, "--hours", "2", "--config", str(site(tmp_path)), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    same, lower = told["pieces"]
    assert told["station"] == "CS-1"
    assert all(each["stands"] for each in same["unit"]["writes"])
    assert [each["text"] for each in lower["unit"]["writes"] if not each["stands"]] == [
        "chargingElectricPower=2000 W (EB=000007D0)"
    ]


def test_what_the_gateway_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gateway_of(tmp_path, {"schedule": {"api": 1, "error": '"evse" is one of [1]'}}):
        arguments = ["--station", "CS-1", "--evse", "4", "--config", str(site(tmp_path))]
        assert main(["profile", "explain", *arguments]) == 1
    assert '"evse" is one of [1]' in capsys.readouterr().err
    assert main(["profile", "explain", *arguments]) == 1
    assert "no gateway runs with" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_station_is_drawn(
    recorded: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / f"next.{suffix}"
    with gateway_of(tmp_path, recorded):
        assert main(["profile", "plot", "--station", STATION, "--config", str(site(tmp_path)), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    beginning = out.read_bytes()[:400]
    assert beginning.startswith(b"\x89PNG") if suffix == "png" else b"<svg" in out.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "x.jpeg", "--day"], "*.svg or *.png"),
        (["--out", "/nowhere/x.svg", "--day"], "there is no folder"),
        (["--out", "x.svg"], "either --day, or --station"),
        (["--out", "x.svg", "--day", "--station", "S"], "either --day, or --station"),
        (["--out", "x.svg", "--day", "--table", "0x0288"], "no unit has the class 0x0288"),
        (["--out", "x.svg", "--station", "S"], "--config"),
    ],
)
def test_what_cannot_be_drawn_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    pytest.importorskip("matplotlib")
    assert main(["profile", "plot", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.cli.profile_plot.find_spec", lambda name: None)
    assert main(["profile", "plot", "--day", "--out", str(tmp_path / "x.svg")]) == 1
    assert "ocpp-echonet[plot]" in capsys.readouterr().err


def test_a_unit_of_the_other_class_is_told_alike() -> None:
    async def play(here: House) -> None:
        await here.start()
        told = (await ask(here, do="schedule", station=STATION, evse=1))["result"]
        assert told["pieces"] == [
            {**told["pieces"][0], "limit_w": None, "decided_by": None, "lead": None, "bounds": [], "efficient_w": 0}
        ]
        assert told["may_discharge"] is False

    from tests.tools.house import site as house_site

    config = house_site(unit={"class": "0x02A1"})
    run(play, config=config, units={UNITS[0]: SimUnitConfig(unit_class=0x02A1)})
