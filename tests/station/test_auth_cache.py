"""The authorization cache: how long entries live, what gives way, and that the store can follow."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from bridge.station.auth_cache import AuthCache, Entry, Rows
from bridge.station.authorization import Known, Source
from bridge.station.messages import AuthorizationStatus

LIFE = 10_000
GOOD = Known(Source.CSMS, AuthorizationStatus.ACCEPTED, "group", frozenset({2, 1}))
BAD = Known(Source.CSMS, AuthorizationStatus.INVALID)


def applied(kept: dict[str, str], rows: Rows) -> dict[str, str]:
    """What the store has after the rows."""
    for digest, text in rows.changed.items():
        if text is None:
            kept.pop(digest, None)
        else:
            kept[digest] = text
    return kept


def test_what_the_csms_said_is_found_again() -> None:
    cache = AuthCache(10_000)
    cache.learn("a", GOOD, 0, None)
    known, _ = cache.find("a", 1, LIFE)
    assert known == Known(Source.CACHE, AuthorizationStatus.ACCEPTED, "group", frozenset({1, 2}))
    assert cache.find("b", 1, LIFE)[0] is None


def test_every_status_is_kept_and_the_latest_counts() -> None:
    cache = AuthCache(10_000)
    cache.learn("a", GOOD, 0, None)
    cache.learn("a", BAD, 1, None)
    known, _ = cache.find("a", 2, LIFE)
    assert known is not None
    assert known.status is AuthorizationStatus.INVALID
    assert len(cache) == 1


def test_the_life_time_counts_from_the_last_word_of_the_csms_not_from_use() -> None:
    cache = AuthCache(10_000)
    cache.learn("a", GOOD, 0, None)
    assert cache.find("a", LIFE, LIFE)[0] is not None
    known, rows = cache.find("a", LIFE + 1, LIFE)
    assert known is None
    assert rows.changed == {"a": None}
    assert cache.size == 0


def test_the_csms_own_end_counts_instead_of_the_life_time() -> None:
    cache = AuthCache(10_000)
    cache.learn("a", GOOD, 0, 5 * LIFE)
    assert cache.find("a", 5 * LIFE, LIFE)[0] is not None
    assert cache.find("a", 5 * LIFE + 1, LIFE)[0] is None


def test_an_end_that_has_passed_forgets_the_token() -> None:
    cache = AuthCache(10_000)
    cache.learn("a", GOOD, 0, None)
    assert cache.learn("a", GOOD, 100, 99).changed == {"a": None}
    assert cache.find("a", 101, LIFE)[0] is None
    assert not cache.learn("b", GOOD, 100, 99)


def test_a_full_cache_gives_up_what_is_not_accepted_then_what_was_longest_unused() -> None:
    room = AuthCache(10_000)
    room.learn("a", GOOD, 0, None)
    cache = AuthCache(room.size * 3)
    cache.learn("a", GOOD, 0, None)
    cache.learn("b", GOOD, 1, None)
    cache.learn("x", BAD, 2, None)
    cache.find("a", 3, LIFE)
    assert cache.learn("c", GOOD, 4, None).changed.keys() == {"c", "x"}
    rows = cache.learn("d", GOOD, 5, None)
    assert rows.changed["b"] is None
    assert [cache.find(name, 6, LIFE)[0] is not None for name in "abcd"] == [True, False, True, True]


def test_rows_that_cannot_be_read_are_thrown_away() -> None:
    cache = AuthCache(10_000)
    good = Entry(AuthorizationStatus.ACCEPTED, 0, 0).text()
    broken = ["{", "[]", "{}", '{"status":"Odd","updated":0,"used":0}', '{"status":"Accepted","updated":"x","used":0}',
              '{"status":"Accepted","updated":0,"used":0,"evses":5}', "null"]  # fmt: skip
    rows = cache.restore([("a", good), *((f"broken {n}", text) for n, text in enumerate(broken))])
    assert rows.changed == {f"broken {n}": None for n in range(len(broken))}
    assert len(cache) == 1


STEP = st.tuples(
    st.sampled_from("abcdef"),
    st.sampled_from(AuthorizationStatus),
    st.integers(0, 5_000),
    st.none() | st.integers(0, 50_000),
    st.booleans(),
)


@given(st.lists(STEP, max_size=40), st.integers(0, 600))
def test_the_store_that_follows_always_gives_the_same_cache(
    steps: list[tuple[str, AuthorizationStatus, int, int | None, bool]], limit: int
) -> None:
    """After any course of things: a restart knows the same, the size is true, and the bound holds."""
    cache, kept, now = AuthCache(limit), dict[str, str](), 0
    for digest, status, later, expires, looks in steps:
        now += later
        if looks:
            applied(kept, cache.find(digest, now, LIFE)[1])
        else:
            applied(kept, cache.learn(digest, Known(Source.CSMS, status), now, expires))
        assert cache.size <= limit
    again = AuthCache(limit)
    assert not again.restore(kept.items())
    assert again.size == cache.size
    for digest in "abcdef":
        assert again.find(digest, now, LIFE)[0] == cache.find(digest, now, LIFE)[0]


def test_a_smaller_bound_after_an_update_of_the_gateway_is_kept() -> None:
    kept: dict[str, str] = {}
    cache = AuthCache(10_000)
    for number in range(10):
        applied(kept, cache.learn(f"t{number}", GOOD, number, None))
    small = AuthCache(cache.size // 2)
    gone: Mapping[str, str | None] = small.restore(kept.items()).changed
    assert set(gone) == {f"t{number}" for number in range(5)}
    assert small.size <= cache.size // 2
