"""The start sequence of AIF 3.1: what an object says about itself before anything else is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.charger.facts import Facts
from bridge.charger.reader import Reader
from bridge.echonet.frame import decode_property_map
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import ANNOUNCED_MAP, GETTABLE_MAP, SETTABLE_MAP, STANDARD_VERSION
from bridge.errors import UnitError
from bridge.records import dataclass

#: So long (ms) a node may still be answering our search when it is found, and ignore what else is asked (AIF 2.4.1).
SETTLING: Final = 500
#: The shortest pause (ms) between two tries to find a silent object (`search_pause`).
FIRST_SEARCH: Final = 5_000
#: Read together in the first request (AIF 3.1.3).
INTRODUCTION: Final = (STANDARD_VERSION, ANNOUNCED_MAP, SETTABLE_MAP, GETTABLE_MAP)


@dataclass(frozen=True, slots=True)
class Maps:
    """What an object says about itself at start (AIF 3.1.3)."""

    release: str = ""
    announced: frozenset[int] = frozenset()
    settable: frozenset[int] = frozenset()
    gettable: frozenset[int] = frozenset()


async def read_maps(reader: Reader, facts: Facts, release: Callable[[bytes], str]) -> Maps:
    """0x82 and the property maps.

    Raises:
        UnitError: there is no answer, or the object keeps to itself what it has to tell.
    """
    await reader.read(INTRODUCTION, Priority.POLL)
    told = {epc: fact.edt for epc, fact in facts.by_epc.items() if epc in INTRODUCTION}
    if absent := [f"{epc:02X}" for epc in (STANDARD_VERSION, GETTABLE_MAP) if epc not in told]:
        raise UnitError(f"the unit refuses {', '.join(absent)}, which AIF 2.3 obliges it to tell")
    announced, settable, gettable = (
        decode_property_map(told[epc]) if epc in told else frozenset[int]()
        for epc in (ANNOUNCED_MAP, SETTABLE_MAP, GETTABLE_MAP)
    )
    return Maps(release(told[STANDARD_VERSION]), announced, settable, gettable)


async def read_attributes(reader: Reader, maps: Maps, attributes: tuple[tuple[int, ...], ...]) -> None:
    """What the table wants to know once (AIF 3.1.4), as far as the map offers it."""
    for request in attributes:
        if epcs := [epc for epc in request if epc in maps.gettable]:
            await reader.read(epcs, Priority.POLL)
