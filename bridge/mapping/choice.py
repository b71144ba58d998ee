"""Which table a unit is run by: its class's, or the most specific overlay that is for it.

The deepest overlay wins, then the one that asks for more. A unit whose overlay is broken, or for which two overlays
are equally good, is run by none: its maker has said that the class's table does not fit it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.echonet.dictionary import DeviceClass
from bridge.errors import MappingError
from bridge.mapping.identity import Identity, firmware_text, told
from bridge.mapping.load import Mappings
from bridge.mapping.overlay import Overlays
from bridge.mapping.overlayheader import Header
from bridge.mapping.table import CompiledTable
from bridge.mapping.versions import Version
from bridge.records import dataclass

_KEYS: Final = ("manufacturer", "product_code", "release", "firmware")
_WORDS: Final = {"product_code": "product code"}


@dataclass(frozen=True)
class Choice:
    """A table for a unit. `overlays`: their ids from the class outward; `why` is for a person; `files`: all of it."""

    table: CompiledTable
    overlays: tuple[str, ...]
    why: str
    files: tuple[str, ...]
    content_hash: str


@dataclass(frozen=True)
class Quarantine:
    """No table may run the unit; `overlays` are those that are to blame, `reason` says why and what to mend."""

    reason: str
    overlays: tuple[str, ...] = ()


def choose(mappings: Mappings, class_code: int, release: str, facts: Mapping[int, bytes]) -> Choice | Quarantine:
    """The table for a unit that has told these properties (by code); `release` is '' while it is not known.

    Raises:
        MappingError: there is no table for the class.
    """
    table = mappings.table(class_code)
    chooser = _Chooser(mappings.overlays, table, mappings.identities[class_code], release, facts)
    best = chooser.best()
    if isinstance(best, Quarantine):
        return best
    why = chooser.why(best)
    if best is None:
        return Choice(table, (), why, (mappings.table_files[class_code],), table.content_hash)
    applied = mappings.overlays.apply(best.id)
    return Choice(applied.table, applied.chain, why, applied.files, applied.table.content_hash)


def facts_wanted(mappings: Mappings, class_code: int, release: str, facts: Mapping[int, bytes]) -> frozenset[int]:
    """The properties that could still change the choice: to be read before a unit is run."""
    table = mappings.table(class_code)
    chooser = _Chooser(mappings.overlays, table, mappings.identities[class_code], release, facts)
    return chooser.wanted()


class _Chooser:
    """Looks at the overlays of a class for one unit."""

    def __init__(
        self,
        overlays: Overlays,
        table: CompiledTable,
        identity: Identity,
        release: str,
        facts: Mapping[int, bytes],
    ) -> None:
        self._overlays = overlays
        self._table = table
        self._identity = identity
        self._release = release
        self._facts = facts
        self._headers = overlays.of_class(table.class_code)

    def best(self) -> Header | Quarantine | None:
        """The overlay to be used; None if none is for the unit."""
        matching = [header for header in self._headers if self._looked_at(header).fits]
        if not matching:
            return None
        rank = max(self._overlays.rank(header.id) for header in matching)
        best = [header for header in matching if self._overlays.rank(header.id) == rank]
        for header in best:
            reason = self._broken(header)
            if reason is not None:
                return Quarantine(reason, (header.id,))
        if len(best) > 1:
            named = " and ".join(f'"{header.id}" ({header.place})' for header in best)
            text = (
                f"the overlays {named} fit it equally well: make one the parent of the other, or let one ask for more"
            )
            return Quarantine(text, tuple(header.id for header in best))
        return best[0]

    def wanted(self) -> frozenset[int]:
        """The properties by which overlays are chosen that the unit has not told, where they matter."""
        looks = (self._looked_at(header) for header in self._headers)
        return frozenset(epc for look in looks for epc in look.missing)

    def why(self, best: Header | None) -> str:
        """The choice for a person."""
        if not self._headers:
            return "no overlay is for units of its class"
        if best is None:
            names = sorted({name for header in self._headers for name in header.match.keys}, key=_KEYS.index)
            said = [self._said(name, self._identity, self._table.device) for name in names]
            return f"no overlay is for it ({', '.join(said)})"
        said = [
            self._said(name, *self._below(chain, index))
            for chain in [self._overlays.chain(best.id) or ()]
            for index, one in enumerate(chain)
            for name in one.match.keys
        ]
        return f'{", ".join(dict.fromkeys(said))}: the overlay "{best.id}" is for it ({best.place})'

    def _broken(self, header: Header) -> str | None:
        try:
            self._overlays.apply(header.id)
        except MappingError as reason:
            return f'the overlay "{header.id}" is for it and is broken: {"; ".join(str(reason).splitlines())}'
        return None

    def _looked_at(self, header: Header) -> _Look:
        """Its keys, from the class outward, as far as they hold."""
        chain = self._overlays.chain(header.id) or (header,)
        for index, one in enumerate(chain):
            missing: set[int] = set()
            open_key = False
            identity, device = self._below(chain, index if "firmware" in one.match.keys else 0)
            for name in one.match.keys:
                value = self._told(name, identity, device)
                if value is not None and not one.match.holds(name, value):
                    return _Look(fits=False)
                if value is None:
                    open_key = True
                    missing |= self._unread(name, identity)
            if open_key:
                return _Look(fits=False, missing=frozenset(missing))
        return _Look(fits=True)

    def _below(self, chain: tuple[Header, ...], index: int) -> tuple[Identity, DeviceClass]:
        """What the table below an overlay names: a parent may have a property of its own for the firmware."""
        if index > 0:
            try:
                applied = self._overlays.apply(chain[index - 1].id)
            except MappingError:
                pass  # the overlay above it is as broken, whatever the unit tells
            else:
                return applied.identity, applied.table.device
        return self._identity, self._table.device

    def _unread(self, name: str, identity: Identity) -> set[int]:
        """The property to be read for a key; none where it has been read and does not tell it."""
        epc = None if name == "release" else getattr(identity, name)
        return set() if epc is None or epc in self._facts else {epc}

    def _told(self, name: str, identity: Identity, device: DeviceClass) -> bytes | str | Version | None:
        """What the unit tells for a key; None if it does not."""
        return told(name, identity, device, self._release, self._facts)

    def _said(self, name: str, identity: Identity, device: DeviceClass) -> str:
        """`product code ABC-1`, for people."""
        word = _WORDS.get(name, name)
        value = self._told(name, identity, device)
        if value is None:
            return f"{word} not known"
        if isinstance(value, bytes):
            return f"{word} 0x{value.hex().upper()}"
        if isinstance(value, tuple):
            epc = identity.firmware
            return f"{word} {firmware_text(epc, self._facts[epc], device, self._release)}" if epc is not None else word
        return f"{word} {value}"


@dataclass(frozen=True, slots=True)
class _Look:
    """Whether an overlay is for a unit, and what would have to be read to know."""

    fits: bool
    missing: frozenset[int] = frozenset()
