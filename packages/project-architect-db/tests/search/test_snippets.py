"""Pieces of text around what was found."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project_architect_db.search.asking import parse
from project_architect_db.search.snippets import Finder, Snippet

pytestmark = pytest.mark.unit


def shown(text: str, question: str) -> str:
    """Return a piece of a text with brackets around what was found."""
    found = Finder(parse(question).wanted).snippet(text)
    pieces = list(found.text)
    for start, end in reversed(found.places):
        pieces[start:end] = ["[", *pieces[start:end], "]"]
    return "".join(pieces)


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("", "plan", ""),
        ("a plan", "plan", "a [plan]"),
        ("Plan, plans; planned", "plan", "[Plan], plans; planned"),
        ("Plan, plans; planned", "plan*", "[Plan], [plans]; [planned]"),
        ("data database", "data database", "[data] [database]"),
        ("first_draft", "draft", "first_[draft]"),
        ("el Año nuevo", "ano", "el [Año] nuevo"),
        ("el Año nuevo", "an* nuevos", "el [Año] nuevo"),
        ("one\n\n  two\tthree", "two", "one [two] three"),
        ("  \n one", "one", "[one]"),
        ("cafe\u0301 au lait", "cafe", "[cafe\u0301] au lait"),
        ("nothing of it", "plan", "nothing of it"),
        ("un año", "plan", "un año"),
        ("foo bar-bazaar", "bar-ba*", "foo [bar]-[bazaar]"),
    ],
)
def test_what_was_found_is_marked(text: str, question: str, expected: str) -> None:
    assert shown(text, question) == expected


def test_similar_words_are_marked_as_well() -> None:
    asked = parse("databse").tolerant({"databse": ["database"]})

    assert Finder(asked.wanted).snippet("a database").html() == "a <mark>database</mark>"


def test_the_piece_with_most_of_it_is_shown() -> None:
    text = f"one {'x ' * 300}one two three {'x ' * 300}two"

    piece = shown(text, "one two three")

    assert "[one] [two] [three]" in piece
    assert piece.startswith("…")
    assert piece.endswith("…")


def test_of_pieces_with_as_much_the_first_is_shown() -> None:
    text = f"one two {'x ' * 300}three {'x ' * 300}one two"

    assert shown(text, "one two three").startswith("[one] [two] x")


def test_a_text_without_blanks_is_cut_all_the_same() -> None:
    assert len(Finder(parse("plan").wanted).snippet("x" * 5_000).text) < 250


@pytest.mark.slow
@given(st.text('ab <>&"\x1b\n\u202eé', max_size=300), st.sampled_from(["a", "b ab", "a* é"]))
def test_a_snippet_is_safe_and_says_where_it_was_found(text: str, question: str) -> None:
    snippet = Finder(parse(question).wanted).snippet(text)

    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", snippet.text)
    page = snippet.html()
    assert html.unescape(page.replace("<mark>", "").replace("</mark>", "")) == snippet.text
    assert not re.search(r"<(?!/?mark>)", page)
    assert all(0 <= start < end <= len(snippet.text) for start, end in snippet.places)


def test_a_snippet_of_nothing_is_nothing() -> None:
    assert Snippet("").html() == ""
