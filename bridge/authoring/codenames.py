"""The names that dictionaries give to codes, as plain data: for files that still name things by their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.values import Codec, OneOfCodec, StateCodec


@dataclass(frozen=True)
class Names:
    """By class code (`0x027E`), then by property code (`0xDA`): the property's name under "", and its values' names."""

    classes: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)

    def of(self, class_code: str) -> Mapping[str, Mapping[str, str]]:
        """What is known of a class; nothing where there is no dictionary of it."""
        return self.classes.get(class_code, {})


def names_of(classes: Mapping[int, DeviceClass]) -> Names:
    """The names in all releases; of a code that changed its name the newest."""
    return Names({f"0x{code:04X}": _of_class(device) for code, device in classes.items()})


def _of_class(device: DeviceClass) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for prop in sorted(device.all_properties, key=lambda each: each.first):
        names = found.setdefault(f"0x{prop.epc:02X}", {})
        names[""] = prop.name
        names.update(_values(prop.codec))
    return found


def _values(codec: Codec) -> Mapping[str, str]:
    if isinstance(codec, OneOfCodec):
        return {code: name for option in codec.options for code, name in _values(option).items()}
    if isinstance(codec, StateCodec):
        width = 2 * codec.size
        return {f"0x{first:0{width}X}": name for first, last, name in codec.codes if first == last}
    return {}
