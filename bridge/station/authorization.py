"""Who may have energy (block C), decided without I/O: one table for tokens from the CSMS, the reader and the cache.

What is known of a token, whether the CSMS can be asked, and what the site allows go in; Accept, Reject or Ask comes
out. What the CSMS then says of a token is judged here too, by `judge`, wherever it was said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import Final

from bridge.records import dataclass
from bridge.station.messages import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenKind

#: The CSMS has made these up, or nobody has: they are never asked for (C02, C03.FR.01, C05.FR.01) and never cached
#: (C02.FR.03, C03.FR.02, C05.FR.02).
NEVER_CACHED: Final = frozenset({IdTokenKind.NO_AUTHORIZATION, IdTokenKind.CENTRAL})
_DIGEST_BYTES: Final = 16


class Digests:
    """Tokens and groups as what is kept of them (C10.FR.12): a keyed hash, so that a stolen store names nobody.

    Two tokens are the same when their text and their type are (C01.FR.25); their text is not case-sensitive.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def of_token(self, token: IdToken) -> str:
        """A token's text and type."""
        return self._of(f"{token.type}:{token.id_token.lower()}")

    def of_group(self, group: IdToken | None) -> str | None:
        """A group's text and type; None for none, and for one without text (Part 2 C 1.2: those match nothing)."""
        return f"{self._of(group.id_token.lower())}:{group.type}" if group and group.id_token else None

    def is_named(self, group: str | None, name: str) -> bool:
        """Whether a group is the one with this text, as MasterPassGroupId tells it; no group has the empty text."""
        return group is not None and name != "" and group.partition(":")[0] == self._of(name.lower())

    def _of(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._salt, digest_size=_DIGEST_BYTES).hexdigest()


def same_token(one: IdToken, other: IdToken) -> bool:
    """Whether two tokens are the same (C01.FR.25)."""
    return one.type == other.type and one.id_token.lower() == other.id_token.lower()


class Source(StrEnum):
    """Who has told what is known of a token."""

    LIST = "local authorization list"
    CACHE = "authorization cache"
    CSMS = "CSMS"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a token. `group` is a digest; `evses` are those that it may use, none: all (C01.FR.19/20)."""

    source: Source
    status: AuthorizationStatus
    group: str | None = None
    evses: frozenset[int] = frozenset()

    @property
    def accepted(self) -> bool:
        """Whether the token is good, at some EVSE at least."""
        return self.status is AuthorizationStatus.ACCEPTED


def told(info: IdTokenInfo, digests: Digests) -> Known:
    """What the CSMS has just said of a token."""
    return Known(Source.CSMS, info.status, digests.of_group(info.group_id_token), frozenset(info.evse_id or ()))


@dataclass(frozen=True, slots=True)
class Rules:
    """What the device model says about authorization, by AuthCtrlr's and AuthCacheCtrlr's names."""

    enabled: bool = True
    local_pre_authorize: bool = False
    local_authorize_offline: bool = True
    offline_tx_for_unknown_id: bool = False
    disable_remote_authorization: bool = False
    disable_post_authorize: bool = False
    master_pass_group: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A token that somebody wants to use now. `remote`: RequestStartTransaction has brought it."""

    token: IdToken
    known: Known | None
    online: bool
    remote: bool
    rules: Rules

    @property
    def accepted(self) -> bool:
        """The token is known here, and good."""
        return self.known is not None and self.known.accepted

    @property
    def refused(self) -> bool:
        """The token is known here, and not good."""
        return self.known is not None and not self.known.accepted

    @property
    def cached_refusal(self) -> bool:
        """The cache says that it is not good."""
        return self.known is not None and not self.known.accepted and self.known.source is Source.CACHE


class Verdict(Enum):
    """What is to be done about a token."""

    ACCEPT = auto()
    REJECT = auto()
    ASK = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the table: where it holds, what follows, and why, for a person."""

    why: str
    verdict: Verdict
    holds: Callable[[Case], bool]


_KINDS_OF_NOBODY: Final = frozenset({IdTokenKind.NO_AUTHORIZATION})

#: The first row that holds decides. The local list comes before the cache already in `Known` (C13.FR.01, C14.FR.01).
TABLE: Final = (
    Decision("authorization is switched off", Verdict.ACCEPT, lambda c: not c.rules.enabled),
    Decision("a start button needs no token", Verdict.ACCEPT, lambda c: c.token.type in _KINDS_OF_NOBODY),  # C02
    Decision(  # C03.FR.01, C05.FR.01
        "the CSMS itself has brought its token",
        Verdict.ACCEPT,
        lambda c: c.remote and c.token.type is IdTokenKind.CENTRAL,
    ),
    Decision(  # C12.FR.02, C14.FR.02
        "known here as good",
        Verdict.ACCEPT,
        lambda c: c.online and c.accepted and (c.rules.local_pre_authorize or c.rules.disable_remote_authorization),
    ),
    Decision(
        "not known here as good, and the CSMS may not be asked (DisableRemoteAuthorization)",
        Verdict.REJECT,
        lambda c: c.online and c.rules.disable_remote_authorization,
    ),
    Decision(
        "known here as not good, and the CSMS may not be asked again (DisablePostAuthorize)",
        Verdict.REJECT,
        lambda c: c.online and c.cached_refusal and c.rules.disable_post_authorize,
    ),
    Decision("the CSMS is asked", Verdict.ASK, lambda c: c.online),  # C01.FR.02, C06.FR.02, C10.FR.03, C12.FR.05
    Decision(
        "known here as good while the CSMS is out of reach",
        Verdict.ACCEPT,
        lambda c: c.accepted and c.rules.local_authorize_offline,
    ),
    Decision(
        "the CSMS is out of reach, and what is known here does not count then (LocalAuthorizeOffline)",
        Verdict.REJECT,
        lambda c: c.accepted,
    ),
    # C13.FR.04: a token that is known as not good is no unknown one.
    Decision("known here as not good while the CSMS is out of reach", Verdict.REJECT, lambda c: c.refused),
    Decision(  # C15.FR.08
        "unknown tokens may charge while the CSMS is out of reach",
        Verdict.ACCEPT,
        lambda c: c.rules.offline_tx_for_unknown_id,
    ),
    Decision("the CSMS is out of reach, and the token is not known here", Verdict.REJECT, lambda _: True),
)


def decide(case: Case) -> Decision:
    """What the table says."""
    return next(row for row in TABLE if row.holds(case))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a token. `status` is what is known of it, None where nobody has said anything."""

    accepted: bool
    why: str
    status: AuthorizationStatus | None = None
    group: str | None = None
    evses: frozenset[int] = frozenset()
    unheard: bool = False  # refused without the CSMS's word, because it could not be had

    def allows(self, evse_id: int) -> bool:
        """Whether the token counts at an EVSE (C01.FR.21)."""
        return not self.evses or evse_id in self.evses


def settled(decision: Decision, case: Case) -> Outcome:
    """The outcome of a decision that needs nobody else."""
    known = case.known if case.rules.enabled else None
    return Outcome(
        accepted=decision.verdict is Verdict.ACCEPT,
        why=decision.why,
        status=known.status if known else None,
        group=known.group if known else None,
        evses=known.evses if known else frozenset(),
        unheard=decision.verdict is Verdict.REJECT and not case.online,
    )


def judge(known: Known) -> Outcome:
    """What the CSMS's word means."""
    why = f"the {known.source} says {known.status}"
    return Outcome(known.accepted, why, known.status, known.group, known.evses)


class Refusal(Enum):
    """What follows when the CSMS does not accept the token of an ongoing transaction (E05, C15)."""

    DEAUTHORIZE = auto()  # E05.FR.09, E05.FR.10, C15.FR.03, C15.FR.04
    WITHHOLD = auto()  # E05.FR.02, C15.FR.06: the transaction stays, energy stops
    BOUND = auto()  # E05.FR.03, C15.FR.07: so much more, then energy stops


def refusal(*, stop_tx: bool, max_energy: int, moved: int | None) -> tuple[Refusal, int]:
    """By StopTxOnInvalidId and MaxEnergyOnInvalidId (mWh) and what the transaction has moved: what, and how much more.

    MaxEnergyOnInvalidId is understood as the most of the whole transaction, so that a late answer gives nothing more;
    where nothing counts (`moved` None) nothing is given, as nobody would stop it.
    """
    if stop_tx:
        return Refusal.DEAUTHORIZE, 0
    left = 0 if moved is None else max_energy - moved
    return (Refusal.BOUND, left) if left > 0 else (Refusal.WITHHOLD, 0)
