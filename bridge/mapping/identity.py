"""Which properties tell what a unit is: by them an overlay is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.echonet.dictionary import DeviceClass
from bridge.mapping.model import IdentityModel
from bridge.mapping.yamlfile import Document, Problems, nearest


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
