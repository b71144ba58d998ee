"""What a node's oddities make of an answer, and what a bad adapter makes of datagrams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bridge.clock import Clock
from bridge.sim.codec import Esv, Prop, SimFrame, encode
from bridge.sim.node_config import NodeConfig

#: Answers to a write that was refused: a malformed one says PDC 4 and carries one byte.
_REFUSED_WRITES = frozenset({Esv.SETC_SNA, Esv.SETI_SNA})


def shaped(config: NodeConfig, answer: SimFrame) -> list[bytes]:
    """The datagrams in which a node sends an answer: usually one, as it is."""
    if config.collapses:
        answer = replace(answer, props=tuple({prop.epc: prop for prop in answer.props}.values()))
    if config.answers_reversed:
        answer = replace(answer, props=answer.props[::-1])
    if config.answer_at_most is not None:
        answer = replace(answer, props=answer.props[: config.answer_at_most])
    if config.refuses_malformed and answer.esv in _REFUSED_WRITES:
        return [_malformed(answer)]
    if config.splits and len(answer.props) > 1 and answer.esv in (Esv.GET_RES, Esv.GET_SNA):
        middle = (len(answer.props) + 1) // 2
        return [encode(_part(answer, part)) for part in (answer.props[:middle], answer.props[middle:])]
    return [encode(answer)]


def _part(answer: SimFrame, props: tuple[Prop, ...]) -> SimFrame:
    """Half an answer is refused only if a part of it was."""
    esv = Esv.GET_RES if all(prop.edt for prop in props) else Esv.GET_SNA
    return replace(answer, props=props, esv=esv)


def _malformed(answer: SimFrame) -> bytes:
    """A refusal as seen in the field: the first refused property says 4 bytes and the frame ends after one."""
    refused = next((prop for prop in answer.props if prop.edt), Prop(answer.props[0].epc, b"\x00"))
    data = encode(replace(answer, props=(Prop(refused.epc, refused.edt[-1:]),)))
    return data[:-2] + b"\x04" + data[-1:]


def garbage(clock: Clock, data: bytes) -> bytes:
    """Bytes instead of an answer that are no frame, of one of several kinds."""
    chance = clock.random
    return chance.choice(
        (
            data[: chance.randrange(1, len(data))],
            data + chance.randbytes(3),
            b"\x10\x80" + data[2:],
            data[:11] + b"\xff" + data[12:],
            chance.randbytes(chance.randrange(1, 60)),
            b"",
        )
    )


class Adapter:
    """Between a node and its network. `lost` counts what it did not let pass."""

    def __init__(self, clock: Clock, config: NodeConfig) -> None:
        self._clock = clock
        self._config = config
        self._rests_until = 0
        self._answers = 0
        self.lost = 0

    def carry(self, deliver: Callable[[], None]) -> None:
        """Take a datagram through, or lose, delay or double it."""
        config, chance = self._config, self._clock.random
        if config.drop and chance.random() < config.drop:
            self.lost += 1
            return
        copies = 2 if config.duplicate and chance.random() < config.duplicate else 1
        for _ in range(copies):
            if config.delay_ms:
                self._clock.call_at(self._clock.monotonic() + chance.randrange(config.delay_ms + 1), deliver)
            else:
                deliver()

    def hears(self) -> bool:
        """Whether a request gets through now; one that comes too soon makes the rest begin anew."""
        now = self._clock.monotonic()
        choked = now < self._rests_until
        self._rests_until = now + self._config.rest_ms
        self.lost += choked
        return not choked

    def answer(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Send an answer, now or held back, or garbage in its place."""
        config = self._config
        self._answers += 1
        if config.garbage_every and self._answers % config.garbage_every == 0:
            data = garbage(self._clock, data)
        out = partial(self.carry, partial(send, data))
        if config.holds_every and self._answers % config.holds_every == 0:
            self._clock.call_at(self._clock.monotonic() + config.holds_ms, out)
        else:
            out()
