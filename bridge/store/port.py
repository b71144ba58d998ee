"""What must survive a power cut, as one narrow interface.

Every table is keyed by station. A method that changes something returns when it is durable. Payloads are JSON text
that the station makes and understands; the store only keeps order, keys and the promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.records import dataclass


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """An open transaction; `seq_no` is the next one to give out, `state` the station's own JSON."""

    transaction_id: str
    evse_id: int
    seq_no: int
    state: str


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """A transaction event that the CSMS has not answered. `key` orders all of them."""

    key: int
    transaction_id: str
    seq_no: int
    payload: str
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A charging profile as the CSMS sent it."""

    profile_id: int
    evse_id: int
    transaction_id: str | None
    payload: str


class Store(Protocol):
    """Opened by `open_store`; closed by `close`. One gateway at a time."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept at the moment: what is wrong, where, and the mend. None when the last change was."""

    async def record(self, station: str, transaction: TransactionRow, event: str, *, ends: bool = False) -> QueuedEvent:
        """In one durable commit: append the event with `transaction.seq_no`, and keep (or, `ends`, delete) the
        transaction with the next `seq_no`."""

    async def update_transaction(self, station: str, transaction: TransactionRow) -> None:
        """Keep a transaction's state without an event."""

    async def transactions(self, station: str) -> Sequence[TransactionRow]:
        """The open ones."""

    async def pending(self, station: str) -> Sequence[QueuedEvent]:
        """Events not answered yet, in order."""

    async def enqueue(self, station: str, payload: str) -> QueuedEvent:
        """Append a message that belongs to no transaction (its `transaction_id` is empty) after all that waits."""

    async def event(self, station: str, key: int) -> str:
        """The payload of one that is not answered yet."""

    async def attempted(self, station: str, key: int) -> None:
        """One more attempt to deliver an event."""

    async def answered(self, station: str, key: int) -> None:
        """The CSMS has answered: the event may go."""

    async def put_profile(self, station: str, profile: ProfileRow, replaces: Sequence[int] = ()) -> None:
        """Keep a profile; those named by `replaces` go in the same commit."""

    async def delete_profiles(self, station: str, profile_ids: Sequence[int]) -> None:
        """Forget profiles."""

    async def profiles(self, station: str) -> Sequence[ProfileRow]:
        """All profiles, in the order in which they came."""

    async def put_settings(self, station: str, settings: Mapping[str, str | None]) -> None:
        """Keep settings and small states by name; None deletes. One commit for all of them."""

    async def settings(self, station: str) -> Mapping[str, str]:
        """All settings of a station."""

    async def put_authorizations(self, station: str, changed: Mapping[str, str | None]) -> None:
        """Keep what is known of tokens, by a name that is not the token's; None deletes. One commit for all of them."""

    async def clear_authorizations(self, station: str) -> None:
        """Forget all that is known of a station's tokens."""

    async def authorizations(self, station: str) -> Mapping[str, str]:
        """All that is known of a station's tokens."""

    async def close(self) -> None:
        """Checkpoint, close and let go of the lock."""
