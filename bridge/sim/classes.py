"""What the two classes of chargers are, release by release: properties, modes, types, ranges. One table per class.

Dictionaries of the simulation's own, taken from the facts of Appendix 1.3.1, so that a mistake in the gateway's
dictionary meets something that does not share it. Releases are letters; there is no Release O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.sim.properties import CHARGER_CODE, CLASS_CODE, Connection, Epc, Mode, Range, TypeTraits

#: Every release of the Appendix that has a charger; `SimUnitConfig` takes those of its class.
RELEASES = "DEFGHIJKLMNPQR"


@dataclass(frozen=True, slots=True)
class Row:
    """A property from a release on, up to the next row of the same code.

    `access`: three letters for Get, Set and announcement: R required, O optional, - not at all, as in the facts (`r`:
    one of a pair is required). `usual`: optional, yet on most units.
    """

    epc: int
    since: str
    access: str
    write: Range | None = None
    usual: bool = False


@dataclass(frozen=True)
class ClassFacts:
    """A class of the Appendix.

    `gated`: modes that AIF 3.2.1(3) and 4.2.1(3) make a unit refuse where nothing can be charged or discharged.
    `battery`: refused by Get_SNA while no battery is known (AIF 2.4.6). `states`: values of 0xC7 with their first
    release. `max_opc`: AIF 2.4.4.
    """

    code: int
    releases: str
    rows: tuple[Row, ...]
    mode_sets: tuple[tuple[str, frozenset[int]], ...]
    types: dict[int, TypeTraits]
    states: dict[int, str]
    gated: frozenset[int]
    battery: frozenset[int]
    max_opc: int

    def row(self, release: str, epc: int) -> Row | None:
        """How a release defines a property; None if it does not."""
        known = [row for row in self.rows if row.epc == epc and row.since <= release]
        return known[-1] if known and known[-1].access != "---" else None

    def known(self, release: str) -> frozenset[int]:
        """Everything that a unit of a release may have."""
        return frozenset(row.epc for row in self.rows if self.row(release, row.epc))

    def modes(self, release: str) -> frozenset[int]:
        """The values that 0xDA has in a release."""
        return [values for first, values in self.mode_sets if first <= release][-1]

    def required(self, release: str) -> frozenset[int]:
        """What every unit of a release can be asked."""
        return self._codes(release, lambda row: row.access[0] in "Rr")

    def gettable(self, release: str) -> frozenset[int]:
        """What a usual unit of a release can be asked: the required properties and the common ones."""
        return self._codes(release, lambda row: row.access[0] in "Rr" or (row.usual and row.access[0] == "O"))

    def optional(self, release: str) -> frozenset[int]:
        """What only some units of a release can be asked."""
        return self._codes(release, lambda row: row.access[0] == "O" and not row.usual)

    def notified(self, release: str) -> frozenset[int]:
        """What a unit of a release announces when it changes."""
        return self._codes(release, lambda row: row.access[2] == "R")

    def write_range(self, release: str, epc: int) -> Range | None:
        """What a unit of a release takes for a property; None if it cannot be written at all."""
        row = self.row(release, epc)
        if row is None or row.access[1] == "-":
            return None
        return Range(1, values=self.modes(release)) if epc == Epc.OPERATION_MODE else row.write

    def _codes(self, release: str, wanted: Callable[[Row], bool]) -> frozenset[int]:
        rows = (self.row(release, epc) for epc in {row.epc for row in self.rows})
        return frozenset(row.epc for row in rows if row is not None and wanted(row))


# ---- ranges that are written ------------------------------------------------------------------------------------

_POWER = Range(4, 0, 999_999_999)
_SIGNED_POWER = Range(4, -999_999_999, 999_999_999, signed=True)
_CURRENT = Range(2, 0, 65_533)
_CHARGE = Range(2, 0, 32_766)
_RESET = Range(1, values=frozenset({0x00}))
_CONFIRM = Range(1, values=frozenset({0x10}))
_OPERATION = Range(1, values=frozenset({0x30, 0x31}))
_PERMISSION = Range(1, values=frozenset({0x41, 0x42}))
_PLACE = Range(1, 0, 255, also=17)
_METHODS_N = Range(1, values=frozenset(range(6)))
_METHODS_P = Range(1, values=frozenset(range(7)))

#: The super class 0x0000, as far as it can matter for a charger.
_SUPER = (
    Row(0x80, "A", "ROR", _OPERATION),
    Row(0x81, "A", "RRR", _PLACE),
    Row(0x82, "A", "R-O"),
    Row(0x83, "A", "O-O", usual=True),
    Row(0x86, "A", "O-O"),
    Row(0x88, "A", "R-R"),
    Row(0x89, "A", "O-O", usual=True),
    Row(0x8A, "A", "R-O"),
    Row(0x8C, "A", "O-O", usual=True),
    Row(0x9D, "A", "R-O"),
    Row(0x9E, "A", "R-O"),
    Row(0x9F, "A", "R-O"),
)


def _dc(families: Iterable[int], kinds: str) -> dict[int, TypeTraits]:
    """Types of DC families: 1 charges only, 2 does both, 3 discharges only. AA (0x2.) must be asked (AIF 3.2.1)."""
    able = {"1": (True, False), "2": (True, True), "3": (False, True)}
    return {
        family + int(kind): TypeTraits(*able[kind], ac=False, must_ask=family == 0x20)
        for family in families
        for kind in kinds
    }


# ---- 0x027E -----------------------------------------------------------------------------------------------------

CHARGER_DISCHARGER = ClassFacts(
    code=CLASS_CODE,
    releases=RELEASES,
    rows=(
        *_SUPER,
        Row(0x89, "R", "R-O"),
        Row(0x8C, "R", "R-O"),
        Row(0xC0, "D", "R-O"),
        Row(0xC1, "D", "r-O"),
        Row(0xC1, "G", "O-O"),
        Row(0xC2, "D", "R-O"),
        Row(0xC3, "D", "r-O"),
        Row(0xC3, "G", "O-O"),
        Row(0xC4, "D", "R-O"),
        Row(0xC5, "D", "R-O"),
        Row(0xC6, "D", "R-O"),
        Row(0xC7, "D", "R-R"),
        Row(0xC8, "D", "R-O"),
        Row(0xC9, "D", "R-O"),
        Row(0xCA, "D", "R-O"),
        Row(0xCB, "D", "R-O"),
        Row(0xCC, "G", "R-O"),
        Row(0xCD, "G", "-R-", _CONFIRM),
        Row(0xCE, "J", "R-O"),
        Row(0xCF, "J", "R-O"),
        Row(0xD0, "D", "R-O"),
        Row(0xD1, "D", "r-O"),
        Row(0xD1, "G", "O-O"),
        Row(0xD2, "D", "O-O", usual=True),
        Row(0xD3, "D", "O-O", usual=True),
        Row(0xD4, "D", "O-O", usual=True),
        Row(0xD5, "D", "O-O", usual=True),
        Row(0xD6, "D", "O-O", usual=True),
        Row(0xD7, "D", "-O-", _RESET),
        Row(0xD8, "D", "O-O", usual=True),
        Row(0xD9, "D", "-O-", _RESET),
        Row(0xDA, "D", "RRR"),
        Row(0xDB, "D", "O-O", usual=True),
        Row(0xDC, "N", "ROR", _METHODS_N),
        Row(0xDC, "P", "ROR", _METHODS_P),
        Row(0xDD, "N", "ROR", _METHODS_N),
        Row(0xDD, "P", "ROR", _METHODS_P),
        Row(0xDE, "N", "OOO", _POWER),
        Row(0xDF, "N", "OOO", _PERMISSION),
        Row(0xE0, "P", "OOO", _SIGNED_POWER, usual=True),
        Row(0xE1, "Q", "O-R", usual=True),
        Row(0xE2, "D", "R-O"),
        Row(0xE3, "D", "r-O"),
        Row(0xE3, "G", "O-O"),
        Row(0xE4, "D", "R-O"),
        Row(0xE5, "P", "O-R"),
        Row(0xE6, "J", "R-O"),
        Row(0xE7, "D", "OOO", _POWER),
        Row(0xE9, "D", "OOO", _CHARGE),
        Row(0xEA, "J", "OOO", _POWER, usual=True),
        Row(0xEB, "D", "OOO", _POWER, usual=True),
        Row(0xEC, "D", "OOO", _POWER, usual=True),
        Row(0xED, "D", "OOO", _CURRENT, usual=True),
        Row(0xEE, "D", "OOO", _CURRENT, usual=True),
        Row(0xEF, "D", "O-O"),
    ),
    mode_sets=(
        ("D", frozenset({0x40, 0x41, 0x42, 0x43, 0x44, 0x45})),
        ("G", frozenset({0x40, 0x42, 0x43, 0x44, 0x47})),
        ("N", frozenset({0x40, 0x42, 0x43, 0x44, 0x46, 0x47})),
        ("P", frozenset({0x40, 0x42, 0x43, 0x44, 0x46, 0x47, 0x48, 0x49})),
    ),
    types={
        0x11: TypeTraits(charges=True, discharges=False, ac=True),
        0x12: TypeTraits(charges=True, discharges=False, ac=True),
        0x13: TypeTraits(charges=True, discharges=True, ac=True),
        **_dc((0x20, 0x30, 0x40, 0x50), "123"),
    },
    states={
        Connection.NONE: "D",
        Connection.NEITHER: "D",
        Connection.CHARGEABLE: "D",
        Connection.DISCHARGEABLE: "D",
        Connection.BOTH: "D",
        Connection.UNDETERMINED: "G",
        Connection.UNKNOWN: "J",
    },
    gated=frozenset({0x42, 0x43, 0x44, 0x46, 0x47, 0x49}),
    battery=frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xE2, 0xE3, 0xE4}),
    max_opc=8,
)


# ---- 0x02A1 -----------------------------------------------------------------------------------------------------

CHARGER = ClassFacts(
    code=CHARGER_CODE,
    releases="GHIJKLMNPQR",
    rows=(
        *_SUPER,
        Row(0xC5, "G", "R-O"),
        Row(0xC7, "G", "R-R"),
        Row(0xC8, "G", "O-O", usual=True),
        Row(0xCA, "G", "O-O", usual=True),
        Row(0xCC, "G", "R-O"),
        Row(0xCD, "G", "-RO", _CONFIRM),
        Row(0xCE, "J", "R-O"),
        Row(0xCF, "J", "R-O"),
        Row(0xD0, "G", "R-O"),
        Row(0xD2, "G", "O-O", usual=True),
        Row(0xD3, "G", "O-O", usual=True),
        Row(0xD8, "G", "O-O", usual=True),
        Row(0xD9, "G", "-O-", _RESET),
        Row(0xDA, "G", "RRR"),
        Row(0xE2, "G", "R-O"),
        Row(0xE4, "G", "R-O"),
        Row(0xE6, "J", "R-O"),
        Row(0xE7, "J", "OOO", _POWER),
        Row(0xEB, "G", "OOO", _POWER, usual=True),
        Row(0xED, "G", "OOO", _CURRENT, usual=True),
    ),
    mode_sets=(("G", frozenset({Mode.OTHER, Mode.CHARGE, Mode.STANDBY, Mode.STOP})),),
    types={
        0x10: TypeTraits(charges=True, discharges=False, ac=True, since="R"),
        0x11: TypeTraits(charges=True, discharges=False, ac=True),
        0x12: TypeTraits(charges=True, discharges=False, ac=True),
        **_dc((0x20, 0x30, 0x40, 0x50), "1"),
    },
    states={
        Connection.NONE: "G",
        Connection.NEITHER: "G",
        Connection.CHARGEABLE: "G",
        Connection.UNDETERMINED: "G",
        Connection.UNKNOWN: "J",
    },
    gated=frozenset({Mode.CHARGE, Mode.STANDBY, Mode.STOP}),
    battery=frozenset({0xCE, 0xCF, 0xD0, 0xE2, 0xE4}),
    max_opc=4,
)

#: Each class by its code.
CLASSES: dict[int, ClassFacts] = {facts.code: facts for facts in (CHARGER_DISCHARGER, CHARGER)}

#: Types that never learn from the wire whether a vehicle is there: no communication, or a control pilot only.
PILOT_ONLY = frozenset({0x10, 0x11})

#: What a unit lets be written if nobody says otherwise (those that exist in its class and release).
DEFAULT_SETTABLE = frozenset({0x81, 0xDA, 0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE})
