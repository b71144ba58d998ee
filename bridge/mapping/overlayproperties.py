"""Properties of a maker's own, and other forms of the class's: a class as the units of an overlay have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from bridge.echonet.dictionary import RELEASES, DeviceClass, Property
from bridge.echonet.wellknown import FIRST_OWN_EPC, LAST_EPC
from bridge.mapping.devices import build_classes
from bridge.mapping.layered import Node, flatten, tree
from bridge.mapping.model import DevicesModel
from bridge.mapping.overlaychanges import verb_of
from bridge.mapping.overlaymodel import OverlayModel, OwnPropertyModel
from bridge.mapping.yamlfile import Document, Path_, Problems, check, nearest

#: The codes that a maker may give a meaning of its own (ECHONET Lite, properties 0xF0 to 0xFF).
_OWN: Final = range(FIRST_OWN_EPC, LAST_EPC + 1)


def class_with(device: DeviceClass, document: Document, model: OverlayModel, problems: Problems) -> DeviceClass:
    """The class with the overlay's properties; mistakes are collected and left out."""
    wanted = [
        (index, spec, *found)
        for index, spec in enumerate(model.properties)
        if (found := verb_of(document, ("properties", index), spec, problems)) is not None
    ]
    own = Node({}, tree(document).at)
    listed = [node for one in wanted if (node := _definition(device, document, *one, problems)) is not None]
    if not listed:
        return device
    dictionary = _dictionary(device, document, own, listed)
    checked = check(dictionary, DevicesModel, problems)
    if checked is None:
        return device
    before = len(problems.found)
    built = build_classes([(dictionary, checked)], problems)[device.code]
    return device if len(problems.found) > before else _merged(device, built.properties)


def _definition(
    device: DeviceClass,
    document: Document,
    index: int,
    spec: OwnPropertyModel,
    verb: str,
    name: str,
    problems: Problems,
) -> Node | None:
    """A property as it would stand in a dictionary; None if it cannot be told which one it is."""
    path: Path_ = ("properties", index)
    known = _known(device, name)
    if verb == "override" and known is None:
        names = {prop.name for prop in device.all_properties}
        text = f'class 0x{device.code:04X} has no property "{name}"{nearest(name, names)}'
        problems.add(document, (*path, verb), "OVERLAY-PATH", text)
        return None
    if verb == "add" and known is not None:
        text = f'"{name}" exists already (0x{known.epc:02X}): override it'
        problems.add(document, (*path, verb), "OVERLAY-EXISTS", text)
        return None
    if not _code_fits(device, document, path, spec, known, problems):
        return None
    node: Node = tree(document).value["properties"].value[index].value["with"].copy()
    at = node.at
    filled: dict[str, Any] = {"name": name}
    if known is not None:
        filled |= {"epc": f"0x{known.epc:02X}", "en": known.name_en, "ja": known.name_ja}
    node.value = {key: Node(value, at) for key, value in filled.items()} | node.value
    return node


def _known(device: DeviceClass, name: str) -> Property | None:
    return next((prop for prop in reversed(device.all_properties) if prop.name == name), None)


def _code_fits(
    device: DeviceClass,
    document: Document,
    path: Path_,
    spec: OwnPropertyModel,
    known: Property | None,
    problems: Problems,
) -> bool:
    """An own property lies among the maker's codes, at one that is free; another form keeps name and code."""
    if "name" in spec.value:
        problems.add(document, (*path, "with", "name"), "OVERLAY-FORM", "the name stands beside the verb already")
        return False
    code = spec.value.get("epc")
    if known is not None:
        if code is None or code == f"0x{known.epc:02X}":
            return True
        text = f"the code of {known.name} is 0x{known.epc:02X}; another form of a property keeps it"
        problems.add(document, (*path, "with", "epc"), "OVERLAY-EPC", text)
        return False
    epc = _epc(code)
    if epc is None:
        return True  # missing or no code at all: the dictionary's own check says so
    taken = next((prop.name for prop in device.all_properties if prop.epc == epc), None)
    if epc in _OWN and taken is None:
        return True
    text = f"0x{epc:02X} is {taken} already" if taken else f"0x{epc:02X} is no maker's own: those are 0xF0 to 0xFF"
    problems.add(document, (*path, "with", "epc"), "OVERLAY-EPC", text)
    return False


def _epc(code: object) -> int | None:
    try:
        return int(code, 16) if isinstance(code, str) else None
    except ValueError:
        return None


def _dictionary(device: DeviceClass, document: Document, root: Node, listed: Sequence[Node]) -> Document:
    """A dictionary file as the author would have written it, with the places of the overlay."""
    at = root.at
    head = {
        "mapping": 1,
        "kind": "devices",
        "class": f"0x{device.code:04X}",
        "name": device.name,
        "en": device.name_en,
        "ja": device.name_ja,
    }
    root.value = {key: Node(value, at) for key, value in head.items()} | {"properties": Node(list(listed), at)}
    return flatten(root, document.file, {document.file: document.text})


def _merged(device: DeviceClass, own: Sequence[Property]) -> DeviceClass:
    """The class's definitions, but for the releases in which the overlay has its own."""
    replaced = {(prop.epc, letter) for prop in own for letter in prop.releases}
    kept = (part for prop in device.properties for part in _without(prop, replaced))
    return replace(device, properties=(*kept, *own))


def _without(prop: Property, replaced: Set[tuple[int, str]]) -> Iterator[Property]:
    """A definition in the releases that are left to it, as runs of neighbouring letters."""
    left = [(RELEASES.index(letter), letter) for letter in prop.releases if (prop.epc, letter) not in replaced]
    for _, run in groupby(enumerate(left), lambda pair: pair[1][0] - pair[0]):
        letters = [letter for _, (_, letter) in run]
        yield replace(prop, first=letters[0], last=letters[-1])
