"""What a dictionary file and a table file may contain, as pydantic models. Unknown keys are errors.

Names of properties, terms and values are not known here: `bridge.mapping.compile` checks them against the dictionary.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bridge.echonet.dictionary import RELEASES, Access
from bridge.evse import ChargingState, Connector, Mode, Plug, StopReason, Trigger
from bridge.mapping.measurands import Measurand
from bridge.mapping.quantity import milliseconds, none_in, quantity


class Strict(BaseModel):
    """The base of all models: nothing unknown, nothing converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


#: Stands in a name for a number: of a board's channel.
NUMBER: Final = "#"

# Words ----------------------------------------------------------------------------------------------------------


#: The forms of texts; `bridge.mapping.wording` says in words what each of them is.
EPC: Final = r"^0x[0-9A-F]{2}(-0x[0-9A-F]{2})?$"
CLASS: Final = r"^0x[0-9A-F]{4}$"
STATE: Final = r"^0x[0-9A-F]{2,8}(-0x[0-9A-F]{2,8})?$"
BYTE: Final = r"^0x[0-9A-F]{2}$"
NAME: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
NUMBERED: Final = r"^[A-Za-z][A-Za-z0-9_]*#?$"
RATIO: Final = r"^[1-9][0-9]*/[1-9][0-9]*$"
ROW_ID: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"
DUMP: Final = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*\.jsonl$"


def _version(given: object) -> object:
    if isinstance(given, int) and not isinstance(given, bool) and given != 1:
        text = f"version {given} of the language is not known to this program, only version 1"
        text += " - take a newer program" if given > 1 else " - `ocpp-echonet map migrate` brings an older file here"
        raise PydanticCustomError("VERSION", text)
    return _no_bool(given)


def _no_bool(given: object) -> object:
    """True is no 1 here."""
    if isinstance(given, bool | float):
        raise PydanticCustomError("int_type", "")
    return given


def _release_range(text: str) -> str:
    first, dash, last = text.partition("-")
    letters = [first, *([last] if last else [])]
    if any(len(letter) != 1 or letter not in RELEASES for letter in letters) or (not dash and last):
        raise PydanticCustomError("RELEASE", f'"{text}" is no release or range like N, D-F or G- (there is no O)')
    if last and RELEASES.index(first) > RELEASES.index(last):
        raise PydanticCustomError("RELEASE", f'"{text}" ends before it begins')
    return text


def _to_ms(text: object) -> object:
    if not isinstance(text, str):
        raise PydanticCustomError("WRONG-TYPE", "a time needs a unit, like 10s")
    try:
        return milliseconds(text)
    except ValueError as reason:
        raise PydanticCustomError("QUANTITY", str(reason)) from None


def _milli(*units: str) -> Any:
    def check(text: object) -> object:
        found = quantity(text) if isinstance(text, str) else None
        if found is None or found[1] not in units:
            raise PydanticCustomError("QUANTITY", none_in(text, units[0]))
        return found[0]

    return Annotated[int, BeforeValidator(check)]


#: The version of the language that a file is written in.
Version = Annotated[Literal[1], BeforeValidator(_version)]
EpcRange = Annotated[str, Field(pattern=EPC)]
ClassCode = Annotated[str, Field(pattern=CLASS)]
Releases = Annotated[str, AfterValidator(_release_range)]
Duration = Annotated[int, BeforeValidator(_to_ms)]
Volts: TypeAlias = _milli("V")  # type: ignore[valid-type]
Amperes: TypeAlias = _milli("A")  # type: ignore[valid-type]
Name = Annotated[str, Field(pattern=NAME)]
Ratio = Annotated[str, Field(pattern=RATIO)]
RowId = Annotated[str, Field(pattern=ROW_ID)]
#: A condition: checked and compiled by `bridge.mapping.conditions`.
When = dict[str, Any]


def _enum(kind: Any) -> Any:
    """An enumeration given by its value, though the model is strict."""
    return Annotated[kind, Field(strict=False)]


ModeWord: TypeAlias = _enum(Mode)  # type: ignore[valid-type]
AccessWord: TypeAlias = _enum(Access)  # type: ignore[valid-type]
MeasurandWord: TypeAlias = _enum(Measurand)  # type: ignore[valid-type]


def releases(text: str) -> str:
    """The letters of a range like `N`, `D-F` or `G-`."""
    first, dash, last = text.partition("-")
    start = RELEASES.index(first)
    if not dash:
        return first
    return RELEASES[start:] if not last else RELEASES[start : RELEASES.index(last) + 1]


# Dictionaries ---------------------------------------------------------------------------------------------------


class NumberModel(Strict):
    """A number; `scale` is a fraction like 1/10."""

    type: Literal["uint8", "uint16", "uint32", "int8", "int16", "int32"]
    range: tuple[int, int] = Field(strict=False)
    scale: Ratio = "1/1"
    unit: str = ""


class StateModel(Strict):
    """Enumerated values, by their code or range of codes."""

    type: Literal["state"]
    size: Annotated[Literal[1, 2, 4], BeforeValidator(_no_bool)]
    values: dict[Annotated[str, Field(pattern=STATE)], Name]


class ScaleModel(Strict):
    """A code for the factor of another property, as fractions like 1/10."""

    type: Literal["scale"]
    values: dict[Annotated[str, Field(pattern=BYTE)], Ratio]


class RawModel(Strict):
    """Bytes, from so many to so many."""

    type: Literal["raw"]
    bytes: tuple[int, int] = Field(strict=False)


class PlainModel(Strict):
    """A form without parameters."""

    type: Literal["release", "date", "time"]


class CountedModel(Strict):
    """A counting byte, then so many bytes at most."""

    type: Literal["counted"]
    max: int


class OneOfModel(Strict):
    """One of several forms."""

    type: Literal["oneOf"]
    options: list[RawModel | NumberModel | StateModel]


class StructModel(Strict):
    """Values one after the other."""

    type: Literal["struct"]
    fields: dict[Name, NumberModel | StateModel | OneOfModel]


class ArrayModel(Strict):
    """A counting byte, then so many items at most."""

    type: Literal["array"]
    max: int
    of: RawModel


class ChannelsModel(Strict):
    """The first channel, how many (so many at most), then an item for each."""

    type: Literal["channels"]
    max: int
    of: NumberModel | StructModel | OneOfModel = Field(discriminator="type")


Encoding = Annotated[
    NumberModel
    | StateModel
    | ScaleModel
    | RawModel
    | PlainModel
    | CountedModel
    | StructModel
    | ArrayModel
    | ChannelsModel
    | OneOfModel,
    Field(discriminator="type"),
]


class AccessModel(Strict):
    """What a unit offers."""

    get: AccessWord
    set: AccessWord
    inf: AccessWord


class DefinitionModel(Strict):
    """A property's meaning in a range of releases."""

    release: Releases
    access: AccessModel
    encoding: Encoding


class PropertyModel(Strict):
    """A property under one name; or several that differ by a number from 1 (`#` in the names) and by their codes.

    `limitedBy`, of a setting of power or current: the direction of energy that it governs, and the properties in which
    the unit says how little and how much that may be.
    """

    epc: EpcRange
    name: Annotated[str, Field(pattern=NUMBERED)]
    en: str
    ja: str
    limited_by: dict[Literal["charge", "discharge"], list[Name]] = Field(default_factory=dict, alias="limitedBy")
    definitions: list[DefinitionModel] = Field(min_length=1)


class DevicesModel(Strict):
    """A dictionary file (`kind: devices`). `maxProperties`: how many a request to this class may hold (AIF 2.4.4);
    `batteryVoltage`: the highest that a vehicle's battery may have, by which no less is reckoned on the DC side."""

    mapping: Version
    kind: Literal["devices"]
    class_code: ClassCode = Field(alias="class")
    name: Name
    en: str
    ja: str
    parent: ClassCode | None = None
    max_properties: int | None = Field(None, alias="maxProperties", ge=1, le=255)
    battery_voltage: Volts | None = Field(None, alias="batteryVoltage")
    properties: list[PropertyModel]


# Tables ---------------------------------------------------------------------------------------------------------


class SourceModel(Strict):
    """Where a value is read; only if no older than `within`.

    One of: a property, the ratio of two, what a meter in front of the EVSE tells, or what was counted up from measured
    power or from the state of charge.
    """

    property: Name | None = None
    ratio: tuple[Name, Name] | None = Field(None, strict=False)
    meter: Literal["power", "current", "voltage", "energyIn", "energyOut"] | None = None
    integral: Literal["power", "soc"] | None = None
    within: Duration | None = None
    when: When | None = None
    negate: bool = False


class TermModel(Strict):
    """A name for something that rows look at: the first source that tells, a condition, or a distance from a floor."""

    first: list[SourceModel] | None = None
    threshold: Annotated[int, BeforeValidator(lambda t: _positive(t))] | None = None
    when: When | None = None
    measure: Literal["soc"] | None = None
    minus: Literal["socFloor"] | None = None
    within: Duration | None = None
    asked: bool = False


def _positive(text: object) -> object:
    found = quantity(text) if isinstance(text, str) else None
    if found is None or found[0] <= 0:
        raise PydanticCustomError("QUANTITY", f'"{text}" is no quantity above zero, like 100 W')
    return found[0]


class AskModel(Strict):
    """A write that makes the unit look again, then what is read."""

    write: dict[Name, str]
    then: list[Name]
    pause: Duration


class RowModel(Strict):
    """One row of a decision; the first whose condition holds wins."""

    id: RowId
    when: When = Field(default_factory=dict)
    hold: Duration = 0


class PlugRow(RowModel):
    """A row about the vehicle; `sees` is remembered from then on."""

    plug: _enum(Plug)  # type: ignore[valid-type]
    sees: Name | None = None


class ConnectorRow(RowModel):
    """A row about the connector's status.

    `atBoot` is what to take where there is nothing to keep; `ask` makes the unit tell more.
    """

    connector: _enum(Connector) | Literal["keep"]  # type: ignore[valid-type]
    at_boot: _enum(Connector) | None = Field(None, alias="atBoot")  # type: ignore[valid-type]
    ask: AskModel | None = None


class ChargingRow(RowModel):
    """A row about the charging state."""

    state: _enum(ChargingState) | Literal["keep"] = Field(alias="chargingState")  # type: ignore[valid-type]


class ToldModel(Strict):
    """How TransactionEvent tells that a row decides now; `stoppedReason`: why a transaction has ended that ends with
    the energy (TxStopPoint EnergyTransfer)."""

    trigger: _enum(Trigger) | None = Field(None, alias="triggerReason")  # type: ignore[valid-type]
    stopped: _enum(StopReason) | None = Field(None, alias="stoppedReason")  # type: ignore[valid-type]


class TransactionEventModel(Strict):
    """What is told otherwise than usual, by the ids of rows."""

    plug: dict[RowId, ToldModel] = Field(default_factory=dict)
    charging: dict[RowId, ToldModel] = Field(default_factory=dict, alias="chargingState")


class EarlyModel(Strict):
    """When a refusal is known before anything is tried."""

    when: When = Field(default_factory=dict)
    hold: Duration = 0


class RequireModel(Strict):
    """What must hold before energy is let flow. `lasting`: it depends only on what the unit is."""

    id: RowId
    when: When
    reason: str
    lasting: bool = False
    early: EarlyModel | None = None
    read: list[Name] = Field(default_factory=list)
    ask: AskModel | None = None


class VoltsModel(Strict):
    """Which voltage turns a power into a current."""

    when: When = Field(default_factory=dict)
    property: Name | None = None
    min: Volts | None = None
    within: Duration | None = None
    assume: Volts | None = None


class LimitModel(Strict):
    """The properties that say what the unit can do in one direction."""

    rated: Name
    power: Name
    current: Name
    volts: list[VoltsModel] = Field(min_length=1)


class WayModel(Strict):
    """One way to carry out a setpoint; the first whose condition holds is taken.

    `onOff`: nothing governs the power, so only a limit at or above the unit's maximum lets it run.
    `pauseFirst`: as long as its condition holds, energy is paused instead of going on.
    """

    id: RowId
    when: When = Field(default_factory=dict)
    on_off: bool = Field(False, alias="onOff")
    pause_first: str | None = Field(None, alias="pauseFirst")
    ensure: list[dict[str, Any]] = Field(default_factory=list)


class ConfirmModel(Strict):
    """How it is seen that a setpoint has been reached; `attempts` 0: for ever."""

    when: When
    within: Duration
    attempts: int = Field(ge=0)


class SetpointModel(Strict):
    """What one wanted state means on this class."""

    require: list[RequireModel] = Field(default_factory=list)
    limit: LimitModel | None = None
    below: Literal["pause"] | None = None
    ways: list[WayModel] = Field(min_length=1)
    fresh: list[Name] = Field(default_factory=list)
    fresh_for: Duration = Field(10_000, alias="freshFor")
    confirm: ConfirmModel


class SpacingModel(Strict):
    """How often contactors may be moved: the first row that holds. Stops, pauses and lowerings do not wait for it.

    `mode`: so long after our last write of the mode it is not ordered again; `setting`: a setting is not raised again.
    """

    when: When = Field(default_factory=dict)
    mode: Duration = 0
    setting: Duration = 0


class WantsModel(Strict):
    """Which setpoint a message wants."""

    wants: ModeWord


class LimitWantsModel(Strict):
    """Which setpoint a limit wants, by its sign."""

    limit: Literal["positive", "zero", "negative"]
    wants: ModeWord


Told = Literal["start_transaction", "stop_transaction"]


class LocalWord(Strict):
    """What a value set by others means, but for what the unit does by itself."""

    tell: Told
    unless: When


class MeasureModel(Strict):
    """One measured quantity: its sources in order, and the measurands it feeds (plus and minus apart)."""

    first: list[SourceModel] = Field(min_length=1)
    measurand: MeasurandWord | dict[Literal["plus", "minus"], MeasurandWord] | None = None


class MeterValuesModel(Strict):
    """What is measured, from what."""

    power: MeasureModel | None = None
    current: MeasureModel | None = None
    voltage: MeasureModel | None = None
    energy_in: MeasureModel | None = Field(None, alias="energyIn")
    energy_out: MeasureModel | None = Field(None, alias="energyOut")
    soc: MeasureModel | None = None
    offered: MeasureModel | None = None
    capacity: MeasureModel | None = None
    vehicle_id: MeasureModel | None = Field(None, alias="vehicleId")


class AbilitiesModel(Strict):
    """What is said of the unit's kind."""

    direct_current: When = Field(alias="directCurrent")
    phases: int = 1


class VariableModel(Strict):
    """A property as a variable of the device model."""

    component: str
    variable: str
    property: Name


class FaultModel(Strict):
    """When there is a fault, and which properties describe it, in order."""

    when: When
    code: list[Name] = Field(min_length=1)
    description: list[Name] = Field(default_factory=list)


class NotifyEventModel(Strict):
    """What is told as an event."""

    fault: FaultModel


class PollModel(Strict):
    """Properties read in one request, and how often."""

    read: list[Name] = Field(min_length=1)
    active: Duration
    idle: Duration
    announced: Duration


class IdentityModel(Strict):
    """Which properties tell what a unit is; overlays are chosen by them."""

    manufacturer: Name | None = None
    product_code: Name | None = Field(None, alias="productCode")
    firmware: Name | None = None


class IgnoredModel(Strict):
    """Values of a property that a table leaves out on purpose (all of them where none are named), and why."""

    property: Name
    values: list[Name] | None = Field(None, min_length=1)
    why: str = Field(min_length=1)


class ExampleModel(Strict):
    """An example, which is a test."""

    name: str | None = None
    given: dict[str, Any] | list[Any]
    receive: dict[str, dict[str, Any]] | None = None
    expect: dict[str, Any] = Field(min_length=1)


class ReplayModel(Strict):
    """A dump that is played against the table: what must be said at which moments of it, in the words of examples.

    `given` is what a dump does not tell (`authorized`, `wanted`); an expectation is `{at: 1500ms, connector: Occupied}`
    and may have a `given` and a `receive` of its own. Without `at` it is the dump's end.
    """

    name: str | None = None
    dump: Annotated[str, Field(pattern=DUMP)]
    given: dict[str, Any] | list[Any] = Field(default_factory=list)
    expect: list[Annotated[dict[str, Any], Field(min_length=1)]] = Field(min_length=1)


class TableModel(Strict):
    """A table file (`kind: table`)."""

    mapping: Version
    kind: Literal["table"]
    class_code: ClassCode = Field(alias="class")
    title: str = ""
    max_properties: int = Field(alias="maxProperties", ge=1, le=255)
    release: Name
    identity: IdentityModel = Field(default_factory=IdentityModel)
    attributes: list[list[Name]]
    terms: dict[Name, TermModel] = Field(default_factory=dict)
    plug: list[PlugRow] = Field(min_length=1)
    status: list[ConnectorRow] = Field(alias="StatusNotification", min_length=1)
    charging: list[ChargingRow] = Field(alias="chargingState", min_length=1)
    told: TransactionEventModel = Field(default_factory=TransactionEventModel, alias="TransactionEvent")
    power_term: Name = Field("power", alias="powerTerm")
    setpoints: dict[_enum(Mode), SetpointModel]  # type: ignore[valid-type]
    spacing: list[SpacingModel] = Field(default_factory=list)
    start: WantsModel = Field(alias="RequestStartTransaction")
    stop: WantsModel = Field(alias="RequestStopTransaction")
    profile: list[LimitWantsModel] = Field(alias="SetChargingProfile", min_length=1)
    local: dict[Name, dict[str, Told | LocalWord] | Literal["NotifyChargingLimit"]] = Field(default_factory=dict)
    meter_values: MeterValuesModel = Field(alias="MeterValues")
    abilities: AbilitiesModel
    variables: list[VariableModel] = Field(default_factory=list)
    notify_event: NotifyEventModel = Field(alias="NotifyEvent")
    polling: dict[Name, PollModel]
    ignored: list[IgnoredModel] = Field(default_factory=list)
    example_unit: dict[str, Any] = Field(default_factory=dict, alias="exampleUnit")
    examples: list[ExampleModel] = Field(default_factory=list)
    replays: list[ReplayModel] = Field(default_factory=list)
