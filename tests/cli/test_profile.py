"""`ocpp-echonet profile explain`: profiles of a file on a usual unit, and what is wrong with files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.layout import WIDTH, width_of
from bridge.cli.main import main

AT = "2026-01-06T00:00:00Z"


def profile(limits: dict[int, float], **more: Any) -> dict[str, Any]:
    """An absolute TxDefaultProfile in W that begins at `AT`: limits by their second."""
    unit = more.pop("unit", "W")
    evse = more.pop("evse", 1)
    periods = [{"startPeriod": second, "limit": limit} for second, limit in limits.items()]
    schedule = {"id": 1, "startSchedule": AT, "chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    made = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }
    return {"evseId": evse, "chargingProfile": made}


def explained(
    folder: Path, capsys: pytest.CaptureFixture[str], content: Any, *arguments: str, code: int = 0
) -> dict[str, Any]:
    path = folder / "profiles.json"
    path.write_text(json.dumps(content))
    assert main(["profile", "explain", "--profile", str(path), "--at", AT, "--json", *arguments]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def writes(piece: dict[str, Any]) -> list[str]:
    return [each["text"] for each in piece["unit"]["writes"] if not each["stands"]]


def test_each_edge_is_told_with_its_reason_and_its_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = profile({0: 3000, 3600: 0, 7200: -2000, 10800: 9000})
    told = explained(tmp_path, capsys, day, "--discharge", "--hours", "4", "--release", "P")
    charge, pause, discharge, back = told["pieces"]
    assert charge["limit_w"] == 3000
    assert charge["from"].startswith("2026-01-06T00:00:00")
    assert charge["decided_by"]["profile"] == 1
    assert writes(charge) == [
        "chargingMethod=designatedElectricPower (DC=03)",
        "chargingElectricPower=3000 W (EB=00000BB8)",
        "operationMode=charge (DA=42)",
    ]
    assert writes(pause) == ["operationMode=standby (DA=44)"]
    assert (discharge["unit"]["mode"], discharge["unit"]["granted_w"]) == ("discharge", -2000)
    assert writes(discharge)[-1] == "operationMode=discharge (DA=43)"
    assert (back["unit"]["mode"], back["unit"]["granted_w"]) == ("charge", 6000)
    # never from one direction straight into the other
    assert writes(back) == [
        "operationMode=standby (DA=44)",
        "chargingElectricPower=6000 W (EB=00001770)",
        "operationMode=charge (DA=42)",
    ]
    assert back["unit"]["why"] == [
        "energy still flows out of the car",
        "9000 W is above the unit's maximum: 6000 W",
    ]
    assert "0x027E.yaml:" in back["unit"]["rule"]


def test_clamps_rounding_and_the_minimum_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explained(tmp_path, capsys, profile({0: 1234.5, 60: 499}), "--table", "0x02A1", "--hours", "1")
    rounded, below = told["pieces"]
    assert rounded["unit"]["granted_w"] == 1234
    assert rounded["unit"]["why"] == ["1234.5 W is rounded toward zero to 1234 W"]
    assert below["unit"]["mode"] == "pause"
    assert below["unit"]["why"] == ["499 W is below the unit's minimum of 500 W"]


def test_amperes_have_a_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """16 A of the grid are 3.2 kW; a setting in amperes of a DC unit is one toward the battery."""
    given = ("--given", "settable=operationMode,chargingMethod,chargingCurrent", "--hours", "1")
    (piece,) = explained(tmp_path, capsys, profile({0: 16}, unit="A"), *given)["pieces"]
    assert piece["limit_w"] == 3200
    assert piece["decided_by"]["words"] == "16 A on 1 phase"
    assert "chargingCurrent=7.1 A (ED=0047)" in writes(piece)
    assert piece["unit"]["why"] == ["3200 W at 450 V is 7.1 A toward the battery, rounded toward zero"]
    (other,) = explained(tmp_path, capsys, profile({0: 16}, unit="A"), "--voltage", "100", "--hours", "1")["pieces"]
    assert other["limit_w"] == 1600


def test_the_lowest_of_several_profiles_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = profile({0: 4000, 1800: 1000})
    station = profile({0: 2500}, evse=0, id=2, chargingProfilePurpose="ChargingStationMaxProfile")
    one, other = explained(tmp_path, capsys, [own, station], "--hours", "1")["pieces"]
    assert (one["limit_w"], one["decided_by"]["profile"], one["lead"]["profile"]) == (2500, 2, 1)
    assert (other["limit_w"], other["decided_by"]["profile"], other["bounds"][0]["profile"]) == (1000, 1, 2)


def test_a_rejected_profile_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = profile({0: 1000}, id=2)
    told = explained(tmp_path, capsys, [profile({0: 2000}), same, profile({0: -1000}, id=3, stackLevel=1)], code=1)
    taken, twice, discharging = told["profiles"]
    assert taken["accepted"]
    assert (twice["accepted"], twice["reason"]) == (False, "DuplicateProfile")
    assert "K01.FR.06" in twice["clauses"]
    assert (discharging["accepted"], discharging["reason"]) == (False, "InvalidSchedule")
    assert {piece["limit_w"] for piece in told["pieces"]} == {2000}


def test_a_charger_never_discharges_whatever_the_site_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explained(tmp_path, capsys, profile({0: -1000}), "--table", "0x02A1", "--discharge", code=1)
    assert not told["profiles"][0]["accepted"]
    assert not any("discharg" in text for piece in told["pieces"] for text in writes(piece))


def test_a_tx_profile_presumes_its_transaction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = profile({0: 1500}, chargingProfilePurpose="TxProfile", transactionId="T-1")
    told = explained(
        tmp_path, capsys, [profile({0: 3000}), {**named, "chargingProfile": {**named["chargingProfile"], "id": 9}}]
    )
    assert told["transaction"] == "T-1"
    assert told["pieces"][0]["limit_w"] == 1500
    unnamed = profile({0: 1200}, chargingProfilePurpose="TxProfile")
    told = explained(tmp_path, capsys, unnamed)
    assert told["pieces"][0]["limit_w"] == 1200
    assert "RequestStartTransaction" in told["profiles"][0]["assumed"]


def test_a_frame_off_the_wire_is_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explained(tmp_path, capsys, [2, "abc", "SetChargingProfile", profile({0: 700})])
    assert told["pieces"][0]["limit_w"] == 700
    assert told["profiles"][0]["place"].endswith("profiles.json:1:34")


def test_words_of_ocpp_2_1_in_custom_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = profile({0: 3000})
    period = asked["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    period["customData"] = {"vendorId": "ocpp-echonet", "operationMode": "CentralSetpoint", "setpoint": -1500}
    (piece,) = explained(tmp_path, capsys, asked, "--discharge", "custom-data", "--release", "P")["pieces"]
    assert piece["limit_w"] == -1500
    assert piece["decided_by"]["words"] == "CentralSetpoint, setpoint -1500 W, limit 3000 W"
    assert piece["unit"]["mode"] == "discharge"


def test_what_load_balancing_means_is_said_and_no_power_is_invented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2.1 Q09: what flows hangs on the load."""
    asked = profile({0: 3000})
    period = asked["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    words = {"operationMode": "LocalLoadBalancing", "dischargeLimit": -2000}
    period["customData"] = {"vendorId": "ocpp-echonet", **words}
    (piece,) = explained(tmp_path, capsys, asked, "--discharge", "custom-data", "--release", "P")["pieces"]
    assert (piece["limit_w"], piece["lead"]["balances"], piece["unit"]) == (3000, True, None)
    arguments = ["profile", "explain", "--profile", str(tmp_path / "profiles.json"), "--at", AT, "--release", "P"]
    assert main([*arguments, "--discharge", "custom-data"]) == 0
    text = capsys.readouterr().out
    assert "00:00:00  3000 W at most, as the load at the grid meter asks for" in text
    assert "between the EVSE's thresholds" in " ".join(text.split())
    assert "dischargeLimit -2000 W" in text
    assert "writes" not in text
    assert all(width_of(line) <= WIDTH for line in text.replace(str(tmp_path), "").splitlines())


def test_the_text_says_the_same_and_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps([profile({0: 3000, 3600: -2000}), profile({0: 1}, id=2)]))
    arguments = ["profile", "explain", "--profile", str(path), "--at", AT, "--discharge", "--release", "P"]
    assert main([*arguments, "--hours", "2"]) == 1
    text = capsys.readouterr().out
    assert "a usual unit of class 0x027E, Release P, EVSE 1" in text
    assert "DuplicateProfile" in text
    assert "00:00:00  3000 W: charge with 3000 W" in text
    assert "01:00:00  -2000 W: discharge with 2000 W" in text
    assert "energy still flows into the car" in text
    assert all(width_of(line) <= WIDTH for line in text.replace(str(tmp_path), "").splitlines())


MISTAKES = """\
- evseId: 1
  chargingProfil:
    id: 1
- evseId: one
  chargingProfile:
    id: 1
    stackLevel: 0
    chargingProfilePurpose: TxDefalt
    chargingProfileKind: Absolute
    chargingSchedule:
      - id: 1
        startShedule: "2026-01-06T00:00:00Z"
        chargingRateUnit: W
        chargingSchedulePeriod:
          - {startPeriod: 0}
- 7
- {id: 1, chargingProfilePurpose: TxProfile}
- [2, "x", "ClearChargingProfile", {}]
"""


def test_all_mistakes_of_a_file_are_told_where_they_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(MISTAKES)
    assert main(["profile", "explain", "--profile", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    for expected in (
        '2:3: PROFILE-FIELD "chargingProfil" is no field here - did you mean "chargingProfile"?',
        '8:29: PROFILE-SCHEMA "TxDefalt" is none of',
        '12:9: PROFILE-FIELD "startShedule" is no field here - did you mean "startSchedule"?',
        '15:13: PROFILE-SCHEMA "limit" is a required property',
        "16:3: PROFILE-SHAPE",
        "17:3: PROFILE-SHAPE this is a bare chargingProfile",
        "18:12: PROFILE-MESSAGE this is a ClearChargingProfile",
    ):
        assert any(line.startswith(f"{path}:{expected}") for line in lines), expected
    assert any(":4:11: PROFILE-SCHEMA" in line and "integer" in line for line in lines)


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "PROFILE-NONE"), ("[]", "PROFILE-NONE"), ("{", "YAML"), ("a: 1\na: 2\n", "YAML"), ("x", "PROFILE-SHAPE")],
)
def test_a_file_that_holds_no_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    assert main(["profile", "explain", "--profile", str(path)]) == 1
    assert f"{path}:" in (told := capsys.readouterr().err)
    assert said in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--profile"),
        (["--profile", "none.yaml"], "none.yaml"),
        (["--station", "CS-1"], "--config"),
        (["--station", "CS-1", "--profile", "x"], "either"),
    ],
)
def test_what_is_missing_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["profile", "explain", *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--table", "0x1234"], "0x1234"),
        (["--table", "car"], "no class"),
        (["--release", "O"], "no release"),
        (["--given", "ratedPower=3kW"], "--given"),
    ],
)
def test_a_unit_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(profile({0: 1000})))
    assert main(["profile", "explain", "--profile", str(path), *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["profile"], ["profile", "explain", "--hours", "0"], ["profile", "explain", "--at", "noon"]]
)
def test_a_wrong_command_line_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    capsys.readouterr()
