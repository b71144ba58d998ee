"""The feature statement: conditions can be judged by it, what it selects has a test, and it tells the truth."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.conformance.catalogue import catalogue
from tests.conformance.selection import (
    Feature,
    block_of,
    cases_of,
    certification,
    core_cases,
    errata,
    judge,
    names,
    not_sought,
    profile_of,
    stated_cases,
    statement,
    verdict,
)
from tests.octt.harness import Octt, case

HERE = Path(__file__).parent


@cache
def covered() -> frozenset[str]:
    """The ids in the `covers` marks of the folder's tests."""
    found: set[str] = set()
    for file in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "covers":
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(found)


def test_every_selected_case_has_a_test() -> None:
    missing = [case.id for case in stated_cases() if verdict(case).selected and case.id not in covered()]
    assert missing == []


def test_every_case_that_is_not_selected_says_which_feature_is_missing() -> None:
    for one in stated_cases():
        told = verdict(one)
        if not told.selected:
            assert told.reason, one
            lacking = names(one.codes) if profile_of(one) in certification() else list(not_sought().values())
            assert any(not statement()[name].has or "NOT" in one.codes.upper() for name in lacking), one


def test_the_numbers_of_smart_charging_are_those_of_the_standard() -> None:
    numbers = Counter(one.obligation for one in cases_of("Smart Charging"))
    assert numbers == {"M": 33, "C": 3}
    assert {block_of(one) for one in cases_of("Smart Charging")} == {"K"}


def test_a_profile_that_is_not_sought_is_for_a_feature_that_we_lack() -> None:
    for profile, feature in not_sought().items():
        assert not statement()[feature].has
        assert cases_of(profile)


def test_the_numbers_are_those_of_the_standard() -> None:
    numbers = Counter(block_of(one) for one in core_cases() if one.obligation == "M")
    assert numbers == {"B": 30, "E": 12, "F": 4, "G": 20, "J": 6, "P": 2}
    assert sum(numbers.values()) == 74


def test_the_errata_change_what_is_there() -> None:
    """Each names a case of the catalogue and says something else of it, in words that can be read."""
    for one in errata().values():
        before = catalogue()[one.id]
        assert (one.profile, one.obligation, one.codes) != (before.profile, before.obligation, before.codes)
        assert set(names(one.codes)) <= set(statement()), one
        assert re.fullmatch(r"5\.\d+", one.erratum)


@pytest.mark.parametrize(
    ("case_id", "selected", "reason"),
    [
        ("TC_B_14_CS", True, "C-56 yes"),  # erratum 5.8: of Core too, in place of TC_B_15
        ("TC_B_15_CS", False, "C-56 yes"),
        ("TC_E_38_CS", False, "C-09.5 yes"),  # for those without the start point EnergyTransfer
        ("TC_F_27_CS", True, "AQ-11 no"),
        ("TC_E_24_CS", False, "HFS-1 no, C-12.1 no"),
        ("TC_G_01_CS", True, "mandatory"),
        ("TC_K_38_CS", False, "Smart Charging yes"),
        ("TC_K_24_CS", True, "HFS-8 yes"),
        ("TC_K_12_CS", False, "SC-2.1 yes, SC-2.2 yes"),
        ("TC_K_60_CS", True, "mandatory"),
        ("TC_K_53_CS", False, "ISO 15118 support no"),
    ],
)
def test_who_is_selected_and_by_what(case_id: str, selected: bool, reason: str) -> None:
    told = verdict(next(one for one in stated_cases() if one.id == case_id))
    assert (told.selected, told.reason) == (selected, reason)


def test_every_condition_of_the_catalogue_can_be_read() -> None:
    """Also those of the blocks and profiles that come later."""
    for one in catalogue().values():
        if one.kind == "ocpp-test-case" and one.codes:
            assert names(one.codes), one


def test_the_statement_says_why() -> None:
    for feature in statement().values():
        assert isinstance(feature.has, bool), feature
        assert len(feature.why) > 3, feature


CONDITIONS = [
    ("A-1", True),
    ("A-2", False),
    ("NOT A-2", True),
    ("A-1 and A-2", False),
    ("A-1 or A-2 and A-2", True),
    ("NOT (A-1 or A-2)", False),
    ("A-9 > 1", True),
    ("A-9 > 3", False),
    ("A-2 or (A-1 and NOT A-2)", True),
    ("(A-1)) AND (A-1)", True),
    ("(A-1)) AND (A-2)", False),
]


@pytest.mark.parametrize(("condition", "value"), CONDITIONS)
def test_conditions(condition: str, value: bool) -> None:
    features = {"A-1": Feature("A-1", True, ""), "A-2": Feature("A-2", False, ""), "A-9": Feature("A-9", True, "", 3)}
    assert judge(condition, features.__getitem__) is value


@pytest.mark.parametrize("condition", ["A-1 A-1", "(A-1", "A-1 and", "A-1 & A-1", "and"])
def test_conditions_that_cannot_be_read(condition: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        judge(condition, lambda name: Feature(name, True, ""))


#: Features that the device model shows: where, and which member of its list (None: that it is there).
SHOWN = {
    "C-02": ("AuthCtrlr.OfflineTxForUnknownIdEnabled", None),
    "C-03": ("TxCtrlr.MaxEnergyOnInvalidId", None),
    "C-08": ("AuthCtrlr.MasterPassGroupId", None),
    "C-09.1": ("TxCtrlr.TxStartPoint", "EVConnected"),
    "C-09.2": ("TxCtrlr.TxStartPoint", "Authorized"),
    "C-09.3": ("TxCtrlr.TxStartPoint", "DataSigned"),
    "C-09.4": ("TxCtrlr.TxStartPoint", "PowerPathClosed"),
    "C-09.5": ("TxCtrlr.TxStartPoint", "EnergyTransfer"),
    "C-09.6": ("TxCtrlr.TxStartPoint", "ParkingBayOccupancy"),
    "C-10.1": ("TxCtrlr.TxStopPoint", "EVConnected"),
    "C-10.2": ("TxCtrlr.TxStopPoint", "Authorized"),
    "C-10.3": ("TxCtrlr.TxStopPoint", "PowerPathClosed"),
    "C-10.4": ("TxCtrlr.TxStopPoint", "EnergyTransfer"),
    "C-10.5": ("TxCtrlr.TxStopPoint", "ParkingBayOccupancy"),
    "C-28": ("AlignedDataCtrlr.SendDuringIdle", None),
    "C-42": ("SampledDataCtrlr.SignReadings", None),
    "C-49": ("AuthCacheCtrlr.Enabled", None),
    "C-53": ("AuthCacheCtrlr.LifeTime", None),
    "C-58": ("AuthCtrlr.DisableRemoteAuthorization", None),
    "C-59": ("AuthCacheCtrlr.DisablePostAuthorize", None),
    "SC-2.1": ("SmartChargingCtrlr.RateUnit", "A"),
    "SC-2.2": ("SmartChargingCtrlr.RateUnit", "W"),
    "Smart Charging": ("SmartChargingCtrlr.Available", None),
    "Local Authorization List Management": ("LocalAuthListCtrlr.Enabled", None),
}


@case()
async def test_the_statement_agrees_with_the_station(octt: Octt) -> None:
    """What the station reports of itself is what is stated, in both directions."""
    await octt.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    reported: dict[str, list[str]] = {}
    more = True
    while more:
        page = await octt.expect("NotifyReport")
        more = bool(page.get("tbc"))
        for row in page["reportData"]:
            values = row.get("variableCharacteristics", {}).get("valuesList", "")
            reported[f"{row['component']['name']}.{row['variable']['name']}"] = values.split(",")
    assert (await octt.get_variable("SecurityCtrlr.AdditionalRootCertificateCheck") == "true") is statement()[
        "AS-2"
    ].has
    for name, (variable, member) in SHOWN.items():
        there = variable in reported and (member is None or member in reported[variable])
        assert there is statement()[name].has, name
