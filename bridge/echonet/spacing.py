"""How far apart the requests to one node are: a configured gap, longer after trouble, shorter again after good answers.

Adapters between Ethernet and a unit are known that choke on a request every 100 ms and live well with one every 500 ms.
What counts as trouble is `Trouble`; how far each may stretch the gap is said in `_longest`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Trouble(Enum):
    """What a node can do to a request."""

    SILENCE = auto()  # the response timer ended (AIF 2.4.2)
    HALF = auto()  # fewer properties in the answer than asked
    REFUSAL = auto()  # not one of several properties; often only what the AIF asks for (AIF 2.4.6)


#: A node that was silent is asked no sooner than so many ms after the last request.
SLOW: Final = 500
#: No trouble makes a gap longer than this (ms): a stop has to go out after 2 s even so.
SLOWEST: Final = 2_000
#: How many good answers in a row halve a gap that trouble has stretched: at first, and at most.
GOOD_RUN: Final = 8
LONGEST_RUN: Final = 512


class Spacing:
    """One node's gap in ms, `gap`; it never goes below the configured one, `least`.

    A node that falls silent after it had answered was hurried too soon: each time the gap doubles, and so does the run
    of good answers that it takes to come back. A node that goes on being silent is switched off, not hurried.
    """

    __slots__ = ("_answered", "_good", "_run", "gap", "least")

    def __init__(self, least: int) -> None:
        self.least = self.gap = least
        self._run = GOOD_RUN // 2
        self._good = 0
        self._answered = True  # since the last silence

    def configure(self, least: int) -> None:
        """Another gap is configured; what was learnt stays."""
        self.gap = max(least, self.gap if self.gap > self.least else 0)
        self.least = least

    def trouble(self, kind: Trouble) -> None:
        """Something went wrong: be slower."""
        wanted = 2 * self.gap
        if kind is Trouble.SILENCE:
            if not self._answered:
                return
            wanted = max(wanted, SLOW)
            self._run = min(2 * self._run, LONGEST_RUN)
        self._answered = kind is not Trouble.SILENCE
        self.gap = max(self.gap, min(wanted, _longest(kind, self.least)))
        self._good = 0

    def good(self) -> None:
        """A request was answered as it should be."""
        self._answered = True
        if self.gap == self.least:
            return
        self._good += 1
        if self._good >= max(self._run, GOOD_RUN):
            self._good = 0
            self.gap = max(self.gap // 2, self.least) if self.gap > SLOW // 2 else self.least


def _longest(kind: Trouble, least: int) -> int:
    """How long (ms) a gap a kind of trouble may bring about."""
    return {Trouble.SILENCE: SLOWEST, Trouble.HALF: SLOW, Trouble.REFUSAL: 2 * least}[kind]
