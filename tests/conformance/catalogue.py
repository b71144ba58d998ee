"""The requirements and test cases that the project measures itself against, as data beside this module.

Columns: `id`; `kind`; `profile` (certification profile, object class or group; several are parted by ";");
`obligation` (M mandatory, C conditional, empty where the sources list none); `codes` (the feature or condition codes
on which a conditional one hangs, or `device` for what binds the unit, and hence our simulation); `title` (our words).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the catalogue."""

    id: str
    kind: str
    profile: str
    obligation: str
    codes: str
    title: str


@cache
def catalogue() -> dict[str, Requirement]:
    """All of them by id, in the files' order."""
    found: dict[str, Requirement] = {}
    for file in sorted(Path(__file__).parent.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                requirement = Requirement(**row)
                if requirement.id in found:
                    raise ValueError(f"{file.name}: {requirement.id} stands twice")
                found[requirement.id] = requirement
    return found
