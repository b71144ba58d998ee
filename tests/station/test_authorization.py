"""The decision table of authorization, row by row, and what it means when the CSMS speaks."""

from __future__ import annotations

from itertools import product

import pytest

from bridge.station.authorization import (
    TABLE,
    Case,
    Digests,
    Known,
    Refusal,
    Rules,
    Source,
    Verdict,
    decide,
    judge,
    refusal,
    same_token,
    settled,
    told,
)
from bridge.station.messages import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenKind

CARD = IdToken("AABBCCDD", IdTokenKind.ISO14443)
GOOD = Known(Source.CACHE, AuthorizationStatus.ACCEPTED)
BAD = Known(Source.CACHE, AuthorizationStatus.BLOCKED)
LISTED_BAD = Known(Source.LIST, AuthorizationStatus.BLOCKED)


def verdict(
    known: Known | None = None, *, online: bool = True, remote: bool = False, token: IdToken = CARD, **rules: bool
) -> Verdict:
    return decide(Case(token, known, online, remote, Rules(**rules))).verdict  # type: ignore[arg-type]


def test_an_unknown_token_is_asked_for() -> None:
    assert verdict() is Verdict.ASK
    assert verdict(remote=True) is Verdict.ASK


def test_what_is_cached_counts_online_only_with_local_pre_authorize() -> None:
    assert verdict(GOOD) is Verdict.ASK
    assert verdict(GOOD, local_pre_authorize=True) is Verdict.ACCEPT
    assert verdict(None, local_pre_authorize=True) is Verdict.ASK


def test_a_cached_refusal_is_asked_again_unless_that_is_disabled() -> None:
    assert verdict(BAD, local_pre_authorize=True) is Verdict.ASK
    assert verdict(BAD, local_pre_authorize=True, disable_post_authorize=True) is Verdict.REJECT
    assert verdict(BAD, disable_post_authorize=True) is Verdict.REJECT
    assert verdict(LISTED_BAD, disable_post_authorize=True) is Verdict.ASK  # that is the list's own variable


def test_without_remote_authorization_only_what_is_known_counts() -> None:
    assert verdict(disable_remote_authorization=True) is Verdict.REJECT
    assert verdict(GOOD, disable_remote_authorization=True) is Verdict.ACCEPT
    assert verdict(BAD, disable_remote_authorization=True) is Verdict.REJECT


@pytest.mark.parametrize(
    ("known", "locally", "unknown", "expected"),
    [
        (GOOD, True, False, Verdict.ACCEPT),
        (GOOD, False, False, Verdict.REJECT),
        (GOOD, False, True, Verdict.REJECT),
        (BAD, True, True, Verdict.REJECT),  # C13.FR.04: it is not unknown
        (None, True, False, Verdict.REJECT),
        (None, True, True, Verdict.ACCEPT),
        (None, False, True, Verdict.ACCEPT),
    ],
)
def test_while_the_csms_is_out_of_reach(known: Known | None, locally: bool, unknown: bool, expected: Verdict) -> None:
    rules = {"local_authorize_offline": locally, "offline_tx_for_unknown_id": unknown}
    assert verdict(known, online=False, **rules) is expected


def test_nobody_is_asked_for_tokens_of_nobody_and_of_the_csms() -> None:
    button, central = IdToken("", IdTokenKind.NO_AUTHORIZATION), IdToken("x", IdTokenKind.CENTRAL)
    assert verdict(token=button) is Verdict.ACCEPT
    assert verdict(token=central, remote=True) is Verdict.ACCEPT
    assert verdict(token=central) is Verdict.ASK  # shown at a reader it is any token


def test_switched_off_authorization_accepts_everything() -> None:
    for known, online in product((None, GOOD, BAD), (True, False)):
        assert verdict(known, online=online, enabled=False) is Verdict.ACCEPT


def test_asking_is_never_decided_out_of_reach_and_every_case_is_decided() -> None:
    names = ("enabled", "local_pre_authorize", "local_authorize_offline", "offline_tx_for_unknown_id",
             "disable_remote_authorization", "disable_post_authorize")  # fmt: skip
    reached = set()
    for flags in product((True, False), repeat=len(names)):
        rules = Rules(**dict(zip(names, flags, strict=True)))  # type: ignore[arg-type]
        for known, online, remote, kind in product(
            (None, GOOD, BAD, LISTED_BAD), (True, False), (True, False), IdTokenKind
        ):
            case = Case(IdToken("t", kind), known, online, remote, rules)
            decision = decide(case)
            reached.add(decision.why)
            assert online or decision.verdict is not Verdict.ASK
            if decision.verdict is Verdict.ACCEPT and rules.enabled and known and not known.accepted:
                assert kind is IdTokenKind.NO_AUTHORIZATION or (kind is IdTokenKind.CENTRAL and remote)
    assert reached == {row.why for row in TABLE}  # no row is dead


def test_an_outcome_says_whose_word_it_is() -> None:
    case = Case(CARD, BAD, False, False, Rules())
    outcome = settled(decide(case), case)
    assert (outcome.accepted, outcome.status, outcome.unheard) == (False, AuthorizationStatus.BLOCKED, True)
    assert "out of reach" in outcome.why


def test_the_csms_may_allow_a_token_at_some_evses_only() -> None:
    info = IdTokenInfo(AuthorizationStatus.ACCEPTED, evse_id=(2, 3))
    outcome = judge(told(info, Digests(b"s")))
    assert outcome.accepted
    assert [outcome.allows(evse) for evse in (1, 2, 3)] == [False, True, True]
    assert judge(told(IdTokenInfo(AuthorizationStatus.ACCEPTED), Digests(b"s"))).allows(1)


def test_tokens_are_the_same_by_text_and_type() -> None:
    assert same_token(CARD, IdToken("aabbccdd", IdTokenKind.ISO14443))
    assert not same_token(CARD, IdToken("AABBCCDD", IdTokenKind.LOCAL))


def test_digests_tell_tokens_and_groups_apart_and_name_nobody() -> None:
    digests, others = Digests(b"salt"), Digests(b"other")
    assert digests.of_token(CARD) == digests.of_token(IdToken("aabbccdd", IdTokenKind.ISO14443))
    assert digests.of_token(CARD) != digests.of_token(IdToken("AABBCCDD", IdTokenKind.LOCAL))
    assert digests.of_token(CARD) != others.of_token(CARD)
    assert "aabbccdd" not in digests.of_token(CARD).lower()
    family = digests.of_group(IdToken("Family", IdTokenKind.CENTRAL))
    assert family == digests.of_group(IdToken("FAMILY", IdTokenKind.CENTRAL))
    assert family != digests.of_group(IdToken("Family", IdTokenKind.LOCAL))
    assert digests.of_group(None) is digests.of_group(IdToken("", IdTokenKind.CENTRAL)) is None
    assert digests.is_named(family, "family")
    assert not digests.is_named(family, "familie")
    assert not digests.is_named(None, "")


@pytest.mark.parametrize(
    ("stop_tx", "most", "moved", "expected"),
    [
        (True, 0, 0, (Refusal.DEAUTHORIZE, 0)),
        (True, 500, 0, (Refusal.DEAUTHORIZE, 0)),
        (False, 0, 0, (Refusal.WITHHOLD, 0)),
        (False, 500, 0, (Refusal.BOUND, 500)),
        (False, 500, 200, (Refusal.BOUND, 300)),
        (False, 500, 500, (Refusal.WITHHOLD, 0)),
        (False, 500, 900, (Refusal.WITHHOLD, 0)),
        (False, 500, None, (Refusal.WITHHOLD, 0)),
    ],
)
def test_a_refused_token_of_an_ongoing_transaction(
    stop_tx: bool, most: int, moved: int | None, expected: tuple[Refusal, int]
) -> None:
    assert refusal(stop_tx=stop_tx, max_energy=most, moved=moved) == expected
