"""Words, and how much two of them differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project_architect_db.search.words import (
    LONGEST,
    distance,
    folded,
    tolerance,
    words,
    words_with_places,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("The API's first_draft: v2.0", ["the", "api", "s", "first", "draft", "v2", "0"]),
        ("Ünïcode ﬁne \uff12nd", ["unicode", "fine", "2nd"]),
        ("a\x00b\ud800c", ["a", "b", "c"]),
        ("日本語、テスト", ["日本語", "テスト"]),
        ("x" * LONGEST, ["x" * LONGEST]),
        ("x" * (LONGEST + 1), []),
    ],
)
def test_a_text_has_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.slow
@given(st.text(max_size=60))
def test_the_words_of_words_are_the_same(text: str) -> None:
    assert words(" ".join(words(text))) == words(text)
    assert all(word == folded(word) for word in words(text))


@given(st.text("aé\u0301 _-ﬁİ1", max_size=30))
def test_words_are_where_they_are_said_to_be(text: str) -> None:
    placed = list(words_with_places(text))

    assert [word for _, _, found in placed for word in found] == words(text)
    assert all(words(text[start:end]) == found for start, end, found in placed)


@pytest.mark.parametrize(
    ("word", "letters"),
    [("pla", 0), ("plan", 1), ("planner", 1), ("planners", 2), ("plan2", 0), ("2026", 0)],
)
def test_longer_words_may_be_wronger(word: str, letters: int) -> None:
    assert tolerance(word) == letters


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("plan", "plan", 0),
        ("plan", "plans", 1),
        ("plan", "lan", 1),
        ("plan", "clan", 1),
        ("plan", "paln", 1),
        ("plan", "palns", 2),
        ("plan", "nalp", 3),
        ("plan", "planning", 3),
        ("abcdef", "uvwxyz", 3),
        ("", "ab", 2),
    ],
)
def test_the_distance_of_words(one: str, other: str, far: int) -> None:
    assert distance(one, other, 2) == distance(other, one, 2) == far


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(0, 3))
def test_the_distance_is_that_of_its_definition(one: str, other: str, most: int) -> None:
    assert distance(one, other, most) == min(_slow_distance(one, other), most + 1)


def _slow_distance(one: str, other: str) -> int:
    """Return the fewest changes, by trying all of them."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return _slow_distance(one[1:], other[1:])
    ways = [(one[1:], other), (one, other[1:]), (one[1:], other[1:])]
    if one[:2] == other[1::-1] and len(other) > 1:
        ways.append((one[2:], other[2:]))
    return 1 + min(_slow_distance(*way) for way in ways)
