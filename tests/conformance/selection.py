"""Which test cases apply to our station: Part 5's conditions, judged by our feature statement (tests/octt/pics.yaml).

The conditions stand in the catalogue as Part 5 has them, slips of the pen included; `_READINGS` says how they are read.
The errata of 2025-09 exchange some (`errata/ocpp201.csv`, with the erratum's number). Erratum 5.2 adds wireless
stations, connectors without a lock and stop buttons, and says that conditions follow; it does not print them, and none
of those is ours.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.conformance.catalogue import Requirement, catalogue

ERRATA: Final = Path(__file__).parent / "errata" / "ocpp201.csv"
STATEMENT: Final = Path(__file__).parents[1] / "octt" / "pics.yaml"
PROFILE: Final = "Core"

#: Texts of conditions, and what they mean.
_READINGS: Final = (
    (r";", ""),
    (r"^(For )?CSMS:.*?(Charging Station|CS):", ""),
    (r"C-36-\(or\) C-39", "{C-36 or C-37 or C-38 or C-39}"),
    (r"C-30 - C-32", "{C-30 or C-31 or C-32}"),
    (r"C-30 - C-34", "{C-30 or C-31 or C-32 or C-33 or C-34}"),
    (r"C-30 - C-35", "{C-30 or C-31 or C-32 or C-33 or C-34 or C-35}"),
    (r"\bC35\b", "C-35"),
    (r"\bC\.06\.1", "C-06.1"),
    (r"ISO ?15118 support", "<ISO 15118 support>"),
    (r"Local Authorization List Management", "<Local Authorization List Management>"),
    (r"Smart Charging", "<Smart Charging>"),
    (r'Product Subtype "Mode 1/2-only Charging Station"', "<Mode 1/2-only>"),
)
_TOKEN: Final = re.compile(r"\s*(?:([({])|([)}])|(and|or|not)\b|<([^>]+)>|>\s*(\d+)|([A-Z]+-\d+(?:\.\d+)?))", re.I)


@dataclass(frozen=True, slots=True)
class Feature:
    """One line of the statement."""

    name: str
    has: bool
    why: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Erratum:
    """What the errata of 2025-09 have exchanged of a case: its profiles, obligation and condition."""

    id: str
    profile: str
    obligation: str
    codes: str
    erratum: str


@cache
def errata() -> dict[str, Erratum]:
    """All of them by the case's id."""
    with ERRATA.open(encoding="utf-8", newline="") as lines:
        return {row["id"]: Erratum(**row) for row in csv.DictReader(lines)}


def amended(case: Requirement) -> Requirement:
    """A case with its erratum applied. The obligation is that in Core."""
    found = errata().get(case.id)
    if found is None:
        return case
    return replace(case, profile=found.profile, obligation=found.obligation, codes=found.codes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a case applies, and by which features."""

    selected: bool
    reason: str


@cache
def statement() -> dict[str, Feature]:
    """The feature statement."""
    data = YAML(typ="safe").load(STATEMENT.read_text(encoding="utf-8"))
    return {name: _feature(name, **said) for name, said in data["features"].items()}


def _feature(name: str, has: str, why: str, count: int = 1) -> Feature:
    if has not in ("yes", "no"):
        raise ValueError(f"{name} has {has!r}: write yes or no")
    return Feature(name, has == "yes", why, count)


@cache
def blocks() -> tuple[str, ...]:
    """The functional blocks that the statement speaks for."""
    return tuple(YAML(typ="safe").load(STATEMENT.read_text(encoding="utf-8"))["blocks"])


def block_of(case: Requirement) -> str:
    """The functional block of a test case: B of TC_B_01_CS."""
    return case.id.split("_")[1]


@cache
def certification() -> tuple[str, ...]:
    """The certification profiles that the statement speaks for, Core first."""
    return tuple(YAML(typ="safe").load(STATEMENT.read_text(encoding="utf-8"))["certification"])


@cache
def not_sought() -> dict[str, str]:
    """Certification profiles that the statement declines, each with the feature that we lack for it."""
    return dict(YAML(typ="safe").load(STATEMENT.read_text(encoding="utf-8"))["not sought"])


def profile_of(case: Requirement) -> str | None:
    """The profile for which a case of the statement's blocks is looked at: ours first, then one that we decline."""
    own = case.profile.split(";")
    return next((profile for profile in (*certification(), *not_sought()) if profile in own), None)


def stated_cases() -> list[Requirement]:
    """The cases of the statement's blocks that are of a profile which it names, errata applied, by profile."""
    cases = [
        case
        for case in map(amended, catalogue().values())
        if case.kind == "ocpp-test-case" and block_of(case) in blocks() and profile_of(case)
    ]
    order = (*certification(), *not_sought())
    return sorted(cases, key=lambda case: order.index(profile_of(case) or ""))


def core_cases() -> list[Requirement]:
    """The Core cases of the statement's blocks, errata applied."""
    return cases_of(PROFILE)


def cases_of(profile: str) -> list[Requirement]:
    """Those of one profile."""
    return [case for case in stated_cases() if profile_of(case) == profile]


def verdict(case: Requirement) -> Verdict:
    """Whether a case applies to our station. Raises ValueError for a condition that cannot be read."""
    lacking_profile = not_sought().get(profile_of(case) or "")
    if lacking_profile is not None:
        return Verdict(False, f"{lacking_profile} no")
    if case.obligation == "M":
        return Verdict(True, "mandatory")
    features = statement()
    selected = judge(case.codes, lambda name: features[name])
    decisive = [name for name in names(case.codes) if judge(case.codes, _flipped(name)) is not selected]
    lacking = [] if selected else [n for n in names(case.codes) if not features[n].has and _helps(n, case.codes)]
    shown = decisive or lacking or names(case.codes)
    return Verdict(selected, ", ".join(f"{name} {'yes' if features[name].has else 'no'}" for name in shown))


def names(condition: str) -> list[str]:
    """The features that a condition names, each once."""
    found = [match[4] or match[6] for match in _tokens(condition)]
    return list(dict.fromkeys(name for name in found if name))


def judge(condition: str, feature: Callable[[str], Feature]) -> bool:
    """A condition's value. Raises ValueError where it cannot be read, KeyError for a feature nobody has stated."""
    return _Parser(_tokens(condition), feature).condition()


def _helps(name: str, condition: str) -> bool:
    """Whether there is anything else with which this feature makes the case apply, and its lack does not."""
    others = [other for other in names(condition) if other != name]

    def applies(has: bool, rest: tuple[bool, ...]) -> bool:
        world = {name: has, **dict(zip(others, rest, strict=True))}
        return judge(condition, lambda asked: Feature(asked, world[asked], "", 99))

    return any(applies(True, rest) and not applies(False, rest) for rest in product((True, False), repeat=len(others)))


def _flipped(name: str) -> Callable[[str], Feature]:
    def feature(asked: str) -> Feature:
        found = statement()[asked]
        return found if asked != name else Feature(name, not found.has, "", 99 if not found.has else 0)

    return feature


def _tokens(condition: str) -> list[re.Match[str]]:
    text = condition
    for written, meant in _READINGS:
        text = re.sub(written, meant, text)
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{condition!r} cannot be read from {text[at:]!r} on")
        found.append(match)
        at = match.end()
    return found


class _Parser:
    """`or` of `and`s of features. A closing bracket that nothing opened is passed over (TC_E_20 has one)."""

    def __init__(self, tokens: Iterable[re.Match[str]], feature: Callable[[str], Feature]) -> None:
        self._tokens = list(tokens)
        self._feature = feature
        self._at = 0

    def condition(self) -> bool:
        value = self._either()
        while self._at < len(self._tokens):
            if self._tokens[self._at][2]:
                self._at += 1
            elif self._word("and"):
                value = self._negated() and value
            elif self._word("or"):
                value = self._both() or value
            else:
                raise ValueError(f"two features without a word between them: {self._tokens[self._at][0]!r}")
        return value

    def _either(self) -> bool:
        value = self._both()
        while self._word("or"):
            value = self._both() or value
        return value

    def _both(self) -> bool:
        value = self._negated()
        while self._word("and"):
            value = self._negated() and value
        return value

    def _negated(self) -> bool:
        if self._word("not"):
            return not self._negated()
        token: Any = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None:
            raise ValueError("a condition ends in the middle")
        self._at += 1
        if token[1]:
            value = self._either()
            if self._at >= len(self._tokens) or not self._tokens[self._at][2]:
                raise ValueError("a bracket is not closed")
            self._at += 1
            return value
        name = token[4] or token[6]
        if not name:
            raise ValueError(f"a feature is missing before {token[0].strip()!r}")
        feature = self._feature(name)
        if self._at < len(self._tokens) and self._tokens[self._at][5]:
            self._at += 1
            return feature.has and feature.count > int(self._tokens[self._at - 1][5])
        return feature.has

    def _word(self, word: str) -> bool:
        if self._at < len(self._tokens) and (self._tokens[self._at][3] or "").lower() == word:
            self._at += 1
            return True
        return False
