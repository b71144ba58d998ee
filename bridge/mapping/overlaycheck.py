"""What can be wrong between overlays: seen by their heads alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from bridge.echonet.dictionary import DeviceClass
from bridge.mapping.overlay import Overlays
from bridge.mapping.overlayheader import Header
from bridge.mapping.overlaymatch import Match
from bridge.mapping.yamlfile import Problem, nearest
from bridge.records import dataclass

_KEYS = {"product_code": "productCode"}


@dataclass(frozen=True)
class Twins:
    """Overlays of which no two have the same id: the second one is known by its file too, and is broken."""

    headers: tuple[Header, ...]
    problems: tuple[tuple[Header, Problem], ...]


def twins(headers: Sequence[Header]) -> Twins:
    """Tell overlays with the same id apart."""
    first: dict[str, Header] = {}
    found = []
    for header in headers:
        other = first.setdefault(header.id, header)
        if other is not header:
            text = f'the overlay in {other.file} is called "{header.id}" already'
            twin = replace(header, id=f"{header.id} ({header.file})")
            first[twin.id] = twin
            found.append((twin, header.problem(("id",), "OVERLAY-ID", text)))
    return Twins(tuple(first.values()), tuple(found))


def misplaced(
    overlays: Overlays, classes: Mapping[int, DeviceClass], known: Iterable[str]
) -> Iterator[tuple[Header, Problem]]:
    """Overlays that stand on nothing or on themselves, or that can be for no unit. `known`: ids that may be meant."""
    for header in overlays.headers.values():
        problem = _parent(overlays, header, known) or _nothing(overlays, header, classes)
        if problem is not None:
            yield header, problem


def _parent(overlays: Overlays, header: Header, known: Iterable[str]) -> Problem | None:
    if header.parent is None:
        return None
    parent = overlays.headers.get(header.parent)
    if parent is None:
        others = [name for name in known if name != header.id]
        text = f'there is no overlay "{header.parent}" to stand on{nearest(header.parent, others)}'
        return header.problem(("parent",), "OVERLAY-PARENT", text)
    ring = _ring(overlays, header)
    if ring:
        return header.problem(("parent",), "OVERLAY-CYCLE", f"it stands on itself: {' -> '.join(ring)}")
    if header.class_code is not None and parent.class_code not in (None, header.class_code):
        text = f'"{header.parent}" is for class 0x{parent.class_code:04X}, this one for 0x{header.class_code:04X}'
        return header.problem(("parent",), "OVERLAY-PARENT", text)
    return None


def _ring(overlays: Overlays, header: Header) -> list[str]:
    """The way from an overlay back to itself, if there is one."""
    way = [header.id]
    parent = header.parent
    while parent is not None and parent in overlays.headers:
        if parent in way:
            return [*way, parent] if parent == header.id else []
        way.append(parent)
        parent = overlays.headers[parent].parent
    return []


def _nothing(overlays: Overlays, header: Header, classes: Mapping[int, DeviceClass]) -> Problem | None:
    """Each overlay is narrowed by those above it; what is left must be a unit that can exist."""
    chain = overlays.chain(header.id)
    if chain is None or header.unsure:
        return None
    match, who = _every(header, classes), f"class 0x{header.class_code or 0:04X}"
    for one in chain:
        narrowed = match.within(one.match)
        empty = narrowed.empty_keys
        if empty:
            if one is not header:
                return None  # told of the parent itself
            key = _KEYS.get(empty[0], empty[0])
            text = f'no unit can match it: {who} leaves nothing of its "{key}"'
            return header.problem(("match", key), "OVERLAY-NOTHING", text)
        match, who = narrowed, f'its parent "{one.id}" ({one.file})'
    return None


def _every(header: Header, classes: Mapping[int, DeviceClass]) -> Match:
    """All units of an overlay's class."""
    device = classes.get(header.class_code or 0)
    return Match(release=device.releases) if device else Match()


def ties(overlays: Overlays, classes: Mapping[int, DeviceClass]) -> Iterator[Problem]:
    """Pairs of overlays between which nothing decides for some units."""
    known = [header for header in overlays.headers.values() if not header.unsure and overlays.chain(header.id)]
    for one, other in combinations(sorted(known, key=lambda header: header.file), 2):
        if one.class_code != other.class_code or overlays.rank(one.id) != overlays.rank(other.id):
            continue
        both = overlays.match(one.id).within(overlays.match(other.id)).within(_every(one, classes))
        if not both.empty_keys and not _settled(overlays, one, both):
            text = (
                f'a unit can match both this and "{one.id}" ({one.place}) equally well: make one the parent of the '
                "other, or let one ask for more"
            )
            yield other.problem(("match",), "OVERLAY-TIE", text)


def _settled(overlays: Overlays, one: Header, both: Match) -> bool:
    """Whether a more specific overlay has every unit for which the two tie."""
    rank = overlays.rank(one.id)
    return any(
        overlays.rank(header.id) > rank and overlays.match(header.id).covers(both)
        for header in overlays.of_class(one.class_code or 0)
        if not header.unsure
    )
