"""How a simulated node answers, and what its adapter does to the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class NodeConfig:
    """How a node answers. May be changed while it runs. Times in ms, probabilities 0 to 1.

    `max_opc`: requests of more properties are refused whole (AIF 2.4.4); None takes any.
    `quirks`: faults of the field by name, of `bridge.sim.quirks`. The others are what those switch on:
    `answer_at_most`: answers carry only the first so many properties. `answer_port`: answers leave from this UDP port.
    `answers_reversed`: another order than asked. `collapses`: of equal properties in a request one is answered.
    `refuses_malformed`: a SetC_SNA says PDC 4 and has one byte. `splits`: a Get of several is answered in two frames.
    `answers_never`: Get, SetC are carried out and not answered. `garbage_every`: every n-th answer is no frame.
    `holds_every`, `holds_ms`: every n-th answer is held back, so that it crosses the next one.
    `rest_ms`: what is asked sooner than this after the last request is lost, and the rest begins anew.
    `drop`, `delay_ms`, `duplicate`: of each datagram in and out, as by a bad adapter.
    `neighbours`: objects of other classes behind the same address. `strange`: one more that answers nothing sensible.
    `moves`: comes back from a power cut at another address; `moves_to`: at this one.
    """

    answer_delay_ms: int = 20
    one_at_a_time: bool = True
    max_opc: int | None = None
    answer_at_most: int | None = None
    answer_port: int | None = None
    answers_reversed: bool = False
    collapses: bool = False
    refuses_malformed: bool = False
    splits: bool = False
    answers_never: bool = False
    garbage_every: int = 0
    holds_every: int = 0
    holds_ms: int = 0
    rest_ms: int = 0
    drop: float = 0.0
    delay_ms: int = 0
    duplicate: float = 0.0
    neighbours: bool = False
    strange: bool = False
    moves: bool = False
    moves_to: str | None = None
    maker: bytes = b"\x00\x00\x77"
    quirks: Mapping[str, object] = field(default_factory=dict)
