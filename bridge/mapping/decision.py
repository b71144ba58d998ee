"""What goes into a mapping table's decision and what comes out: the seam between `mapping` and `charger`.

The charger keeps facts and time; the table keeps every rule. Neither knows the other's inside: the charger hands in a
`View` and gets values back, with property codes it never has to understand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from bridge.evse import (
    Abilities,
    ChargingState,
    Connector,
    Fault,
    HappeningKind,
    Mode,
    Plug,
    Reading,
    StopReason,
    Trigger,
    Variable,
    Wanted,
)
from bridge.records import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One property's last good answer: `edt` as it came, when (monotonic ms), and whether we asked or were told."""

    edt: bytes
    at: int
    notified: bool = False


@dataclass(frozen=True, slots=True)
class Measures:
    """What a MeterValues section reads off a view; None where nothing tells. Signs and units as in `bridge.evse`."""

    power: Reading | None = None
    current: Reading | None = None
    voltage: Reading | None = None
    energy_in: Reading | None = None
    energy_out: Reading | None = None
    soc: Reading | None = None
    offered: Reading | None = None
    vehicle_id: str | None = None
    capacity: Reading | None = None  # mWh, of the vehicle's battery: what the whole state of charge is worth


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a table may look at.

    `facts` by EPC; a property that was refused (SNA) since its last answer is absent and stands in `refused`.
    `release` is the Appendix release letter of 0x82, '' while unknown. `wrote` maps an EPC to when we last wrote it.
    `seen` names what was once seen since the unit was found (`plugKnown`: 0xC7 has told 4x at least once).
    """

    now: int
    release: str = ""
    facts: Mapping[int, Fact] = field(default_factory=dict)
    refused: frozenset[int] = frozenset()
    gettable: frozenset[int] = frozenset()
    settable: frozenset[int] = frozenset()
    announced: frozenset[int] = frozenset()
    reachable: bool = True
    lost_for: int = 0  # ms since the last answer, 0 while reachable
    wanted: Wanted = field(default_factory=Wanted)
    confirmed: bool = False
    contested: bool = False
    foreign: bool = False  # the mode that is in force was written by somebody else
    discharge_allowed: bool = False  # site, EVSE and vehicle permit it
    soc_floor: int = 0  # 0.001 %
    wrote: Mapping[int, int] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    meter: Measures | None = None  # what a meter in front of this EVSE tells, as far as it is fresh
    from_power: Measures | None = None  # energies integrated from measured power
    from_soc: Measures | None = None  # ... from the state of charge and the capacity
    counted: int = 0  # mWh of `wanted.amount` that have moved already


@dataclass(frozen=True, slots=True)
class Answer:
    """One decided row. `value` None means keep what was. `rule` is `file:line id`; `hold` ms it must stay true.

    `at_boot` is what to take instead of None where nothing was decided or stored before. `trigger` says how a change to
    it is told, `stopped` why a transaction ends that ends by it; None: as usual.
    """

    value: Connector | ChargingState | Plug | None
    rule: str
    hold: int = 0
    at_boot: Connector | None = None
    trigger: Trigger | None = None
    stopped: StopReason | None = None


@dataclass(frozen=True, slots=True)
class Spacing:
    """How long (ms) after our own last write of it the mode is not ordered again, and a setting is not raised again."""

    mode: int = 0
    setting: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a recipe. It is skipped where the fresh fact is `edt` already, and always read back."""

    epc: int
    edt: bytes
    text: str  # for logs and the timeline, e.g. "operationMode=charge (DA=42)"


@dataclass(frozen=True, slots=True)
class Ask:
    """The setpoint cannot be judged yet: write `step` (0xCD), read `then` again, `pause` ms apart and growing."""

    step: Step
    then: tuple[int, ...]
    pause: int
    rule: str


@dataclass(frozen=True, slots=True)
class Decision:
    """All that a table says about a view. `ask`: the unit would tell more if it were asked (CEL 3.2)."""

    plug: Answer
    connector: Answer
    charging_state: Answer
    measures: Measures
    fault: Fault | None
    flowing: bool | None  # power beyond the threshold; None: cannot be measured
    seen: frozenset[str] = frozenset()  # to be put into later views
    ask: Ask | None = None
    trouble: str | None = None  # why the unit cannot be served, for a person


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the wanted setpoint is reached on this unit now.

    `mode` and `target` (mW, signed) are what it comes down to (below the unit's minimum, `charge` becomes `pause`).
    `fresh` are the EPCs that must have been read within `fresh_for` ms before the first write. Steps go out in order,
    each verified before the next. Confirmed within `confirm_within` ms, with at most `attempts` starts (0: for ever).
    `otherwise` are steps to try instead where verification of the last step fails (44 against 47).
    """

    mode: Mode
    steps: tuple[Step, ...]
    target: int | None = None
    fresh: tuple[int, ...] = ()
    fresh_for: int = 10_000
    confirm_within: int = 180_000
    attempts: int = 3
    otherwise: tuple[Step, ...] = ()
    rule: str = ""
    note: str = ""
    spacing: Spacing = Spacing()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The wanted setpoint is not possible now. What energy runs is paused; `reason` is for a person.

    `read`: a fresh Get of these may lift it. `hold` (of `Table.refusal`): ms it must last before it counts as known.
    """

    reason: str
    rule: str
    read: tuple[int, ...] = ()
    hold: int = 0


@dataclass(frozen=True, slots=True)
class PollGroup:
    """Properties that are read together (at most the class's OPC limit), and how often (ms) in which situation."""

    name: str
    epcs: tuple[int, ...]
    active: int  # while something is changing, a write is unconfirmed or energy flows
    idle: int
    announced: int  # when all of them are announced by INF


@dataclass(frozen=True, slots=True)
class LocalChange:
    """What a change at the unit means that we did not write."""

    kind: HappeningKind
    text: str
    value: int | None = None  # mW, for a limit
    epc: int | None = None  # the property that has changed


class Table(Protocol):
    """One class's compiled table. Pure, fast, and without memory of its own."""

    @property
    def class_code(self) -> int:
        """0x027E."""

    @property
    def content_hash(self) -> str:
        """Changes with anything that it was made of."""

    @property
    def max_opc(self) -> int:
        """AIF 2.4.4: how many properties a request may hold; 8, 0x02A1: 4."""

    @property
    def attributes(self) -> tuple[tuple[int, ...], ...]:
        """What is read at start, request by request, after 0x82 and the maps."""

    def release(self, edt_82: bytes) -> str:
        """The Appendix release letter of 0x82's EDT, '' where it says none that is known."""

    def wants(self, wanted: Wanted) -> Mode:
        """Which setpoint a wish stands for on this class: the messages' sections of the table."""

    def variables(self, view: View) -> tuple[Variable, ...]:
        """What the unit shows in the device model."""

    def decide(self, view: View) -> Decision:
        """Plug, connector status, charging state, measures."""

    def recipe(self, view: View) -> Recipe | Ask | Refusal:
        """How to reach `view.wanted` on this unit now."""

    def confirmed(self, view: View) -> bool:
        """Whether the wanted setpoint has been reached, by the table's `confirm`."""

    def refusal(self, view: View, mode: Mode) -> Refusal | None:
        """Why a mode is known now to be impossible, before anything is wanted."""

    def abilities(self, view: View) -> Abilities:
        """What the unit can do."""

    def polls(self, view: View) -> tuple[PollGroup, ...]:
        """The polling plan, only with what the unit lets be read."""

    def local_changes(self, before: View, after: View, ours: frozenset[int]) -> tuple[LocalChange, ...]:
        """What changed between two views by other hands; `ours` are EPCs whose new value is our own write."""

    def describe(self, epc: int, edt: bytes, release: str) -> str:
        """`operationMode=charge` for logs and timelines; raw hex where the dictionary does not know it."""


class MeterTable(Protocol):
    """The compiled table of a class that is only read (`kind: meter`): a smart meter, a channel of a board."""

    class_code: int  # 0x0288, 0x0287
    content_hash: str
    max_opc: int
    attributes: tuple[tuple[int, ...], ...]

    def release(self, edt_82: bytes) -> str:
        """As `Table.release`."""

    def measures(self, view: View, channel: int | None = None, *, duplex: bool = False) -> Measures:
        """What it measures: plus is drawn from the grid (into what lies behind it).

        `channel` of a board, from 1; simplex and duplex channels (that measure both directions) are counted apart.
        """

    def prepare(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[Step, ...]:
        """Writes without which the object does not tell what is wanted: a board's channel range. Mostly none."""

    def polls(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[PollGroup, ...]:
        """The polling plan for what `measures` looks at, only with what the object lets be read."""
