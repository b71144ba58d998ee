"""What passed between the gateway and one unit, in words: `get C7`, `set DA=42`, `told C7=41`, `inf DA=47`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.sim.codec import Esv, SimFrame, SimFrameError, decode
from bridge.sim.lan import Datagram
from bridge.sim.node import NODE_CLASS

_ASKED = {Esv.GET: "get", Esv.SETC: "set", Esv.SETI: "set", Esv.SETGET: "set"}
_TOLD = {Esv.GET_RES: "told", Esv.GET_SNA: "told", Esv.SET_RES: "took", Esv.SETC_SNA: "refused", Esv.INF: "inf"}


@dataclass(frozen=True)
class Word:
    """One property of one frame: when (ms), what was done with it, and its data."""

    at: int
    done: str
    epc: int
    edt: bytes
    tid: int
    eoj: int

    def __str__(self) -> str:
        """As `set DA=42`; a read names the code alone, a refused value is `sna`."""
        if self.done == "get":
            return f"get {self.epc:02X}"
        return f"{self.done} {self.epc:02X}={self.edt.hex().upper() or 'sna'}"


def frames(datagrams: Iterable[Datagram]) -> Iterable[tuple[Datagram, SimFrame]]:
    """The datagrams that are frames."""
    for datagram in datagrams:
        try:
            yield datagram, decode(datagram.data)
        except SimFrameError:
            continue


def words(datagrams: Iterable[Datagram], gateway: str, unit: str) -> list[Word]:
    """All that the gateway asked of a device and all that it answered or announced; searches and node profile apart."""
    found: list[Word] = []
    for datagram, frame in frames(datagrams):
        kinds = _ASKED if (datagram.source, datagram.destination) == (gateway, unit) else _TOLD
        if frame.esv not in kinds or (kinds is _TOLD and datagram.source != unit):
            continue
        eoj = frame.deoj if kinds is _ASKED else frame.seoj
        if eoj >> 8 == NODE_CLASS:
            continue
        found += [Word(datagram.at, kinds[frame.esv], p.epc, p.edt, frame.tid, eoj) for p in frame.props]
    return found


def before(said: Sequence[Word], what: str) -> list[Word]:
    """Everything up to the first time that something was said; all of it where it never was."""
    texts = [str(word) for word in said]
    return list(said[: texts.index(what)]) if what in texts else list(said)


def after(said: Sequence[Word], what: str) -> list[Word]:
    """Everything from the last time on that something was said (left out itself); nothing where it never was."""
    texts = [str(word) for word in said]
    return list(said[len(texts) - texts[::-1].index(what) :]) if what in texts else []


def last(said: Iterable[Word], what: str) -> Word | None:
    """The last word that begins so."""
    return next((word for word in reversed(list(said)) if str(word).startswith(what)), None)


def first(said: Iterable[Word], what: str) -> Word | None:
    """The first word that begins so."""
    return next((word for word in said if str(word).startswith(what)), None)
