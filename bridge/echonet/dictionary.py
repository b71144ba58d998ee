"""The property dictionary of a class: what each EPC is called, may do and means, by release of the Appendix.

The content comes from `mappings/devices/`; `bridge.mapping` reads the files and builds these objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

from bridge.echonet.values import Codec, Unknown, Value
from bridge.records import dataclass

#: The letters of the Appendix' releases. There is no Release O.
RELEASES = "ABCDEFGHIJKLMNPQR"


class Access(StrEnum):
    """Whether a unit must, may or does not offer a service on a property. CONDITIONAL: required unless another is."""

    REQUIRED = "R"
    CONDITIONAL = "R*"
    OPTIONAL = "O"
    NONE = "-"

    @property
    def possible(self) -> bool:
        """Whether a unit may offer it at all."""
        return self is not Access.NONE


@dataclass(frozen=True)
class Property:
    """One definition of a property, valid from one release to another (both included).

    `limited_by` of a setting: the properties that say how much it may be, by the direction of energy that it governs.
    """

    epc: int
    name: str
    name_en: str
    name_ja: str
    get: Access
    set: Access
    inf: Access
    codec: Codec
    first: str = RELEASES[0]
    last: str = RELEASES[-1]
    limited_by: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def releases(self) -> str:
        """The letters for which this definition holds."""
        return releases_between(self.first, self.last)


def releases_between(first: str, last: str) -> str:
    """The letters from one release to another, both included."""
    return RELEASES[RELEASES.index(first) : RELEASES.index(last) + 1]


class ReleaseView:
    """The properties of a class as one release defines them."""

    def __init__(self, release: str, properties: Iterable[Property]) -> None:
        self.release = release
        self.by_epc: Mapping[int, Property] = {prop.epc: prop for prop in properties}
        self.by_name: Mapping[str, Property] = {prop.name: prop for prop in self.by_epc.values()}

    def decode(self, epc: int, edt: bytes) -> Value:
        """The value of a property; `Unknown` where this release does not define it."""
        prop = self.by_epc.get(epc)
        return prop.codec.decode(edt) if prop else Unknown(edt)


@dataclass(frozen=True)
class DeviceClass:
    """A class of devices with all definitions of its properties; what it does not define it has from `parent`.

    `most_properties`: how many a request to it may hold, where a document says so (AIF 2.4.4). `battery_voltage` (mV):
    the highest that a vehicle's battery may have.
    """

    code: int
    name: str
    name_en: str
    name_ja: str
    properties: tuple[Property, ...]
    parent: DeviceClass | None = None
    most_properties: int | None = None
    battery_voltage: int | None = None

    @cached_property
    def _views(self) -> Mapping[str, ReleaseView]:
        return {letter: self._build(letter) for letter in RELEASES if letter in self.releases}

    @cached_property
    def _codes(self) -> Mapping[str, int]:
        return {prop.name: prop.epc for prop in self.all_properties}

    @cached_property
    def releases(self) -> frozenset[str]:
        """The letters in which the class exists: those with a property of its own."""
        return frozenset(letter for prop in self.properties for letter in prop.releases)

    @cached_property
    def _unknown(self) -> ReleaseView:
        """Of a unit whose release is not known only what it has from the super class can be understood."""
        return ReleaseView("", self.parent.latest.by_epc.values() if self.parent else ())

    def at(self, release: str) -> ReleaseView:
        """The definitions of one release letter; only the super class' where the class does not exist in it."""
        return self._views.get(release, self._unknown)

    @property
    def latest(self) -> ReleaseView:
        """The newest release that is known."""
        return self.at(RELEASES[-1])

    @property
    def all_properties(self) -> tuple[Property, ...]:
        """All definitions of all releases, the inherited ones included."""
        return (self.parent.all_properties if self.parent else ()) + self.properties

    def epc_of(self, name: str) -> int | None:
        """The code of a property by its short name in any release; the class' own definition before the parent's."""
        return self._codes.get(name)

    def _build(self, letter: str) -> ReleaseView:
        own = [prop for prop in self.properties if letter in prop.releases]
        inherited = self.parent.at(letter).by_epc.values() if self.parent else ()
        return ReleaseView(letter, [*inherited, *own])
