"""What waits to be delivered, in order: columns of numbers, as a week of a station's minutes is ten thousand messages.

The store holds the messages themselves. Here stands only what is asked of them while they wait: 17 bytes each, where an
object each would be 200.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from typing import Final

from bridge.records import dataclass
from bridge.station.shedding import Worth
from bridge.store.port import QueuedEvent

#: So many messages keep their text in memory; the others' is read when their turn comes.
TEXTS: Final = 32
#: The columns are moved up when so many messages at their beginning have gone, and more than are left.
_GONE: Final = 256


@dataclass(slots=True)
class Waiting:
    """A message whose turn has come; `text` is None where only the store has it, `tries` counts failures."""

    key: int
    transaction_id: str
    seq_no: int
    tries: int
    text: str | None


class Backlog:
    """A queue of messages. Messages are appended at its end and leave at its beginning, or where it is thinned out."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._numbers = array("i")
        self._worths = array("B")
        self._owners = array("I")  # by number in `_names`, since an id is longer than all the rest
        self._begin = 0
        self._names: dict[int, str] = {}
        self._numbers_of: dict[str, int] = {}
        self._waiting_of: dict[str, int] = {}
        self._next_name = 0
        self._tries: dict[int, int] = {}  # by key, of those that have failed
        self._texts: dict[int, str] = {}
        self._first: Waiting | None = None

    def __len__(self) -> int:
        return len(self._keys) - self._begin

    def append(self, event: QueuedEvent, worth: Worth) -> None:
        """One more. Its text stays in memory only as long as few wait before it."""
        if len(self) < TEXTS:
            self._texts[event.key] = event.payload
        if event.attempts:
            self._tries[event.key] = event.attempts
        self._keys.append(event.key)
        self._numbers.append(event.seq_no)
        self._worths.append(worth)
        self._owners.append(self._enter(event.transaction_id))

    @property
    def first(self) -> Waiting:
        """The one whose turn it is; the same object until it leaves."""
        if self._first is None:
            at, key = self._begin, self._keys[self._begin]
            name = self._names[self._owners[at]]
            tries, text = self._tries.pop(key, 0), self._texts.get(key)
            self._first = Waiting(key, name, self._numbers[at], tries, text)
        return self._first

    def remove_first(self) -> None:
        """It has been delivered, or is given up."""
        self._leave(self._begin)
        self._begin += 1
        self._first = None
        if self._begin > _GONE and self._begin > len(self):
            for column in (self._keys, self._numbers, self._worths, self._owners):
                del column[: self._begin]
            self._begin = 0

    @property
    def last_key(self) -> int:
        """The key of the newest; -1 where nothing waits."""
        return self._keys[-1] if self else -1

    def has(self, transaction_id: str | None) -> bool:
        """Whether messages of a transaction (None: of any) wait."""
        if transaction_id is None:
            return any(self._waiting_of)
        return bool(transaction_id) and transaction_id in self._waiting_of

    def marks(self) -> list[tuple[int, Worth]]:
        """Number and worth of all, in order, as `to_shed` wants them."""
        here = slice(self._begin, None)
        return [(number, Worth(w)) for number, w in zip(self._numbers[here], self._worths[here], strict=True)]

    def thin_out(self, places: Collection[int]) -> list[int]:
        """Take those at these places (0: the first) out; gives back their keys."""
        gone = {self._begin + place for place in places}
        keys = [self._keys[at] for at in sorted(gone)]
        for at in gone:
            self._leave(at)
        if self._begin in gone:
            self._first = None
        stay = [at for at in range(self._begin, len(self._keys)) if at not in gone]
        self._keys, self._numbers = _picked(self._keys, stay), _picked(self._numbers, stay)
        self._worths, self._owners = _picked(self._worths, stay), _picked(self._owners, stay)
        self._begin = 0
        return keys

    def _enter(self, name: str) -> int:
        number = self._numbers_of.get(name)
        if number is None:
            number = self._numbers_of[name] = self._next_name
            self._names[number] = name
            self._next_name += 1
        self._waiting_of[name] = self._waiting_of.get(name, 0) + 1
        return number

    def _leave(self, at: int) -> None:
        key, number = self._keys[at], self._owners[at]
        self._texts.pop(key, None)
        self._tries.pop(key, None)
        name = self._names[number]
        self._waiting_of[name] -= 1
        if not self._waiting_of[name]:
            del self._waiting_of[name], self._names[number], self._numbers_of[name]


def _picked(column: array[int], places: Iterable[int]) -> array[int]:
    return array(column.typecode, [column[place] for place in places])
