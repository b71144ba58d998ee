"""Which properties tell what a unit is: by them an overlay is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.echonet.dictionary import DeviceClass
from bridge.mapping.model import IdentityModel
from bridge.mapping.versions import Version, version_of, version_text
from bridge.mapping.yamlfile import Document, Problems, nearest
from bridge.records import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The codes of the properties that a table names under `identity:`; None where it names none."""

    manufacturer: int | None = None
    product_code: int | None = None
    firmware: int | None = None


def identity_of(document: Document, model: IdentityModel, device: DeviceClass, problems: Problems) -> Identity:
    """The codes; a name that the class does not have is a mistake."""
    found = {}
    for field, info in IdentityModel.model_fields.items():
        name = getattr(model, field)
        if name is None:
            continue
        found[field] = device.epc_of(name)
        if found[field] is None:
            known = {prop.name for prop in device.all_properties}
            text = f'class 0x{device.code:04X} has no "{name}"{nearest(name, known)}'
            problems.add(document, ("identity", info.alias or field), "UNKNOWN-PROPERTY", text)
    return Identity(**found)


def told(
    name: str, identity: Identity, device: DeviceClass, release: str, facts: Mapping[int, bytes]
) -> bytes | str | Version | None:
    """What a unit tells for a key of `match:` (its field's name); None if it does not. `facts`: EDTs by code."""
    if name == "release":
        return release or None
    epc = getattr(identity, name)
    edt = facts.get(epc) if epc is not None else None
    if not edt:
        return None
    if name == "manufacturer":
        return edt
    if name == "product_code":
        return edt.rstrip(b"\0 ").decode("ascii", "replace")
    return version_of(firmware_text(epc, edt, device, release))


def firmware_text(epc: int, edt: bytes, device: DeviceClass, release: str) -> str:
    """The version that a property says, as people write it."""
    view = device.at(release) if release else device.latest
    return version_text(view.decode(epc, edt))
