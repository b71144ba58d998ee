"""What a dump shows of a unit that a mapping author has to know: oddities, each with what could be done about it.

What is certain becomes a change of the overlay; what somebody has to decide becomes a comment in it, with a proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.authoring.changes import words_of
from bridge.authoring.replay import Playback
from bridge.echonet.dictionary import Access, Property
from bridge.echonet.dump import Dump
from bridge.echonet.values import StateCodec, Unknown
from bridge.echonet.wellknown import FIRST_OWN_EPC, LAST_EPC
from bridge.evse import Plug
from bridge.mapping.context import Context
from bridge.mapping.table import TableSource

#: Codes that a maker may give a meaning of its own.
_OWN: Final = range(FIRST_OWN_EPC, LAST_EPC + 1)
_LIMIT: Final = "limit"


@dataclass(frozen=True)
class Finding:
    """One oddity. `todo`: YAML that somebody may want to uncomment; `changes`, `properties`: what is certain."""

    text: str
    todo: tuple[str, ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()
    properties: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Seen:
    """A dump and the table that would serve its unit, prepared for looking at."""

    source: TableSource
    dump: Dump
    values: Mapping[int, bytes]
    context: Context

    @property
    def known(self) -> Mapping[int, Property]:
        """The properties of its release."""
        return self.source.table.device.at(self.context.release).by_epc

    def name(self, epc: int) -> str:
        """`chargingMethod (DC)`, or the code alone."""
        prop = self.known.get(epc) or self.source.table.device.latest.by_epc.get(epc)
        return f"{prop.name} ({epc:02X})" if prop is not None else f"{epc:02X}"

    def map(self, name: str) -> frozenset[int]:
        """A property map."""
        return self.dump.header.maps.get(name, frozenset())


def look(source: TableSource, dump: Dump) -> list[Finding]:
    """All findings, in the order in which an author should look at them."""
    view = Playback(source.table, dump).at(max((record.t for record in dump.records), default=0))
    seen = Seen(source, dump, dump.values_at(), Context(source.table, view))
    return [finding for rule in _RULES for finding in rule(seen)]


def _release(seen: Seen) -> Iterator[Finding]:
    release = seen.context.release
    if release not in seen.source.table.device.releases:
        yield Finding(f"its release ({release or 'not told'}) is none that the dictionary knows: only stopping works")


def _undecodable(seen: Seen) -> Iterator[Finding]:
    """Values that its release does not define."""
    device = seen.source.table.device
    for epc, edt in sorted(seen.values.items()):
        prop = seen.known.get(epc)
        if prop is None or not isinstance(prop.codec.decode(edt), Unknown):
            continue
        text = f"{seen.name(epc)} is {edt.hex().upper()}, which Release {seen.context.release} does not define"
        others = sorted({each.first for each in device.all_properties if each.epc == epc and _says(each, edt)})
        if others:
            text += f"; it is the form of Release {', '.join(others)}"
        elif isinstance(prop.codec, StateCodec) and len(edt) == prop.codec.size:
            text += "; the table takes it as absent. What does it mean?"
        else:
            text += f" ({len(edt)} bytes); the table takes it as absent and does not write it"
        yield Finding(text, _definition(seen, prop, edt))


def _says(prop: Property, edt: bytes) -> bool:
    return not isinstance(prop.codec.decode(edt), Unknown)


def _definition(seen: Seen, prop: Property, edt: bytes) -> tuple[str, ...]:
    """How the property could be described, for somebody who knows what it means."""
    release = seen.context.release
    access = f"{{get: {prop.get}, set: {prop.set}, inf: {prop.inf}}}".replace("-", '"-"')
    if isinstance(prop.codec, StateCodec) and len(edt) == prop.codec.size:
        values = {f"0x{first:0{2 * prop.codec.size}X}": name for first, _, name in prop.codec.codes}
        listed = ", ".join(f'"{code}": {name}' for code, name in values.items())
        encoding = f'{{type: state, size: {len(edt)}, values: {{{listed}, "0x{edt.hex().upper()}": NAME_IT}}}}'
    else:
        encoding = f"{{type: raw, bytes: [{len(edt)}, {len(edt)}]}}"
    return (
        "properties:",
        f"  - override: {prop.name}",
        "    with:",
        "      definitions:",
        f"        - {{release: {release}, access: {access},",
        f"           encoding: {encoding}}}",
        "    why: WHERE IT IS DOCUMENTED",
    )


def _unlisted(seen: Seen) -> Iterator[Finding]:
    """Properties that the dictionary does not have in this release."""
    for epc, edt in sorted(seen.values.items()):
        if epc in seen.known:
            continue
        told = edt.hex().upper()
        if epc not in _OWN:
            yield Finding(f"{seen.name(epc)} is told ({told}), though Release {seen.context.release} does not have it")
            continue
        access = {name: "O" if epc in seen.map(name) else "-" for name in ("get", "set", "inf")}
        definition = {
            "release": seen.context.release,
            "access": access,
            "encoding": {"type": "raw", "bytes": [len(edt), len(edt)]},
        }
        described = {
            "epc": f"0x{epc:02X}",
            "en": f"Maker's own {epc:02X}",
            "ja": f"メーカー独自 {epc:02X}",
            "definitions": [definition],
        }
        why = f"told as {told} ({len(edt)} bytes); what it means is not known yet"
        change = {"add": f"maker{epc:02X}", "with": described, "why": why}
        yield Finding(f"{epc:02X} is of the maker's own: {told}", properties=(change,))


def _refused(seen: Seen) -> Iterator[Finding]:
    """Properties that stand in the Get map and are refused whenever they are asked for."""
    always = sorted(seen.dump.refused & seen.map("get"))
    useless = [epc for epc in always if epc in seen.map("set")]
    gone = [epc for epc in always if epc not in useless]
    if gone:
        yield Finding(f"in the Get map, and always refused: {', '.join(map(seen.name, gone))}")
    for epc in useless:
        text = f"{seen.name(epc)} stands in the Get map and in the Set map, and reading it was always refused"
        yield Finding(text, changes=tuple(_without(seen, epc)))


def _without(seen: Seen, epc: int) -> Iterator[Mapping[str, Any]]:
    """The table without the ways that write a limit to a property which cannot be read back."""
    model, device = seen.source.model, seen.source.table.device
    why = f"{seen.name(epc)} stands in both maps and is always refused: no limit could be read back"
    for mode, setpoint in model.setpoints.items():
        for way in setpoint.ways:
            if any(
                device.epc_of(name) == epc for step in way.ensure for name, value in step.items() if value == _LIMIT
            ):
                yield {"remove": f"setpoints.{mode.value}.ways.{way.id}", "why": why}
    for name, word in model.local.items():
        if device.epc_of(name) == epc and isinstance(word, str):
            yield {"remove": f"local.{name}", "why": why}


def _missing(seen: Seen) -> Iterator[Finding]:
    """What its release requires and its Get map does not list."""
    gone = [
        epc for epc, prop in sorted(seen.known.items()) if prop.get is Access.REQUIRED and epc not in seen.map("get")
    ]
    if gone:
        listed = ", ".join(seen.name(epc) for epc in gone)
        yield Finding(f"required by Release {seen.context.release}, and not in its Get map: {listed}")


def _power(seen: Seen) -> Iterator[Finding]:
    """Whether anything governs the power, and whether it is measured."""
    abilities = seen.source.table.abilities(seen.context.view)
    for mode in ("charge", "discharge"):
        if mode in abilities.modes and not getattr(abilities, f"{mode}_adjustable"):
            yield Finding(f"nothing that can be set governs its power: {mode} is only switched on and off")
    if seen.context.term(seen.source.model.power_term) == "unmeasured":
        yield Finding("it tells no power: without a meter in front of it nobody sees whether energy flows")


def _plug(seen: Seen) -> Iterator[Finding]:
    """Whether it tells that a vehicle is there."""
    table, context = seen.source.table, seen.context
    if context.plug not in (Plug.UNDETERMINED, Plug.BLIND):
        return
    row = table.plug_answer(context)
    flows = context.term(seen.source.model.power_term)
    text = f"whether a vehicle is there is {context.plug} (row {row.id})"
    if flows in ("charging", "discharging"):
        yield Finding(f"{text} though energy flows ({flows}): this unit has to be known by its power")
        return
    names = _named(seen)
    when = ", ".join(f"{name}: {context.name(epc)}" for name, epc in names)
    frames = ", ".join(f'"{epc:02X}={seen.values[epc].hex().upper()}"' for _, epc in names if epc in seen.values)
    yield Finding(
        f"{text}; dump it once with a vehicle and once without. If it never tells, it is a blind unit:",
        (
            "changes:",
            "  - add: plug.never-told",
            f"    before: {row.id}",
            f"    with: {{when: {{{when}}}, plug: {Plug.BLIND}}}",
            "    why: IT SAYS THE SAME WITH AND WITHOUT A VEHICLE (DUMPS OF ...)",
            "examples:",
            f"  - {{given: [{frames}], expect: {{plug: {Plug.BLIND}}}}}",
        ),
    )


def _named(seen: Seen) -> list[tuple[str, int]]:
    """The properties that the rows about the vehicle name themselves, not by a term."""
    device, model = seen.source.table.device, seen.source.model
    names = dict.fromkeys(name for row in model.plug for name in row.when if name not in model.terms)
    return [(name, epc) for name in names if (epc := device.epc_of(name)) is not None]


def _specials(seen: Seen) -> Iterator[Finding]:
    """Numbers that say only that they are none."""
    for epc, edt in sorted(seen.values.items()):
        prop = seen.known.get(epc)
        if prop is None:
            continue
        words = words_of(prop.codec.decode(edt))
        if "(" in words and "flow" in words:
            yield Finding(f"{seen.name(epc)} says {words} ({edt.hex().upper()}): no number is known")


def _quiet(seen: Seen) -> Iterator[Finding]:
    """Whether it announces what the Appendix requires."""
    gone = [
        epc for epc, prop in sorted(seen.known.items()) if prop.inf is Access.REQUIRED and epc not in seen.map("inf")
    ]
    if gone:
        yield Finding(f"not in its map of announcements, so that it is polled: {', '.join(map(seen.name, gone))}")
    if not seen.map("inf"):
        yield Finding("it announces nothing at all")


_RULES: Final[tuple[Callable[[Seen], Iterator[Finding]], ...]] = (
    _release,
    _plug,
    _power,
    _refused,
    _undecodable,
    _unlisted,
    _specials,
    _missing,
    _quiet,
)
