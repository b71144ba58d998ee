"""Which objects of the wanted classes live at which address. No I/O.

Three things tell (AIF 3.1): an instance list notification (0xD5) that a node sends at its start, the answer to a search
for instance lists (0xD6), and the answer of an object to a search for its class (0x80), or anything else it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bridge.echonet import wellknown as wk
from bridge.echonet.frame import ANSWERS, NOTIFICATIONS, Frame, FrameError, Property, decode_instance_list
from bridge.records import dataclass

#: So many objects are remembered; beyond them those go that have been silent longest.
_MOST = 1024
_LISTS = frozenset({wk.INSTANCE_LIST_NOTIFICATION, wk.INSTANCE_LIST})


@dataclass(frozen=True, slots=True)
class Found:
    """An object of a wanted class was seen. `new`: for the first time at this address.

    `started`: its node announced itself, so it may have been switched on just now and lost what it was told before.
    """

    address: str
    eoj: int
    new: bool = True
    started: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """To do: a Get of `properties` from `eoj`, sent to all."""

    eoj: int
    properties: tuple[Property, ...]


class Discovery:
    """What has been found of some classes (0x027E, ...)."""

    def __init__(self, classes: Collection[int]) -> None:
        self._classes = frozenset(classes)
        self._known: dict[tuple[str, int], None] = {}
        self._rounds = 0
        self.bad_lists = 0

    @property
    def known(self) -> tuple[tuple[str, int], ...]:
        """Address and object of all that was found, in the order in which they were last announced."""
        return tuple(self._known)

    def searches(self) -> tuple[Search, ...]:
        """What the next search sends.

        Instance lists and classes take turns: AIF 3.1.2 names both ways, and both at once would be two requests to one
        node (AIF 2.4.1).
        """
        self._rounds += 1
        if self._rounds % 2:
            return (Search(wk.NODE_PROFILE, ((wk.INSTANCE_LIST, b""),)),)
        return tuple(Search(wk.all_instances(code), ((wk.OPERATION_STATUS, b""),)) for code in sorted(self._classes))

    def complete(self) -> bool:
        """Whether every wanted class has been found at least once."""
        return self._classes <= {wk.class_of(eoj) for _, eoj in self._known}

    def take(self, address: str, frame: Frame) -> tuple[Found, ...]:
        """What a notification or an answer tells; anything else tells nothing."""
        if frame.service not in ANSWERS and frame.service not in NOTIFICATIONS:
            return ()
        if wk.class_of(frame.seoj) == wk.class_of(wk.NODE_PROFILE):
            return tuple(self._listed(address, frame.properties))
        if self._wanted(frame.seoj) and (address, frame.seoj) not in self._known:
            return (self._note(address, frame.seoj, started=False),)
        return ()

    def forget(self, address: str) -> None:
        """An address has lost its node: what is seen there again is new."""
        for key in [key for key in self._known if key[0] == address]:
            del self._known[key]

    def _listed(self, address: str, properties: Iterable[Property]) -> Iterable[Found]:
        for epc, edt in properties:
            if epc not in _LISTS or not edt:
                continue
            try:
                eojs = decode_instance_list(edt)
            except FrameError:
                self.bad_lists += 1
                continue
            for eoj in dict.fromkeys(eojs):
                if self._wanted(eoj):
                    yield self._note(address, eoj, started=epc == wk.INSTANCE_LIST_NOTIFICATION)

    def _wanted(self, eoj: int) -> bool:
        return wk.class_of(eoj) in self._classes and wk.instance_of(eoj) != 0

    def _note(self, address: str, eoj: int, *, started: bool) -> Found:
        place = (address, eoj)
        new = place not in self._known
        self._known.pop(place, None)
        self._known[place] = None
        if len(self._known) > _MOST:  # a storm of forged addresses: what is seen again is found again
            del self._known[next(iter(self._known))]
        return Found(address, eoj, new, started)
