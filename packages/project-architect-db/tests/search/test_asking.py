"""What a text asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project_architect_db.search.asking import MOST_TERMS, MOST_TEXT, Term, parse

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("one Two", [Term(("one",)), Term(("two",))]),
        ('"one Two"', [Term(("one", "two"), is_quoted=True)]),
        ('"one', [Term(("one",), is_quoted=True)]),
        ("one-two", [Term(("one", "two"))]),
        ("pro*", [Term(("pro",), is_prefix=True)]),
        ('"pro*"', [Term(("pro",), is_quoted=True)]),
        ("-one", [Term(("one",), is_excluded=True)]),
        ('-"one two"', [Term(("one", "two"), is_excluded=True, is_quoted=True)]),
        ("-pro*", [Term(("pro",), is_prefix=True, is_excluded=True)]),
        ("one -", [Term(("one",))]),
        ('a"b c"', [Term(("a",)), Term(("b", "c"), is_quoted=True)]),
        ("one one ONE", [Term(("one",))]),
        ("title:one AND (two)", [Term(("title", "one")), Term(("and",)), Term(("two",))]),
    ],
)
def test_a_text_asks_for_terms(text: str, terms: list[Term]) -> None:
    def without_place(term: Term) -> Term:
        return Term(term.words, term.is_prefix, term.is_excluded, term.is_quoted)

    assert [without_place(term) for term in parse(text).terms] == terms


def test_a_text_is_read_up_to_a_point() -> None:
    assert len(parse(" ".join(f"word{n}" for n in range(100))).terms) == MOST_TERMS
    assert len(parse("x" * 150 + " " + "y " * MOST_TEXT).text) == MOST_TEXT


def test_what_may_be_wrong_in_a_term() -> None:
    terms = parse('planning -planning planning* "planning" plan-ning x').terms

    assert [term.tolerance for term in terms] == [2, 0, 0, 0, 0, 0]


def test_words_that_do_as_well_are_added_and_put_in() -> None:
    asked = parse('Databse of -databse "databse"')

    tolerant = asked.tolerant({"databse": ["database", "databases"]})

    assert [term.similar for term in tolerant.terms] == [("database", "databases"), (), (), ()]
    assert asked.corrected({"databse": "database"}) == 'database of -databse "databse"'
    assert asked.tolerant({}).terms == asked.terms


@pytest.mark.slow
@given(st.text(max_size=80))
def test_any_text_asks_for_something_or_nothing(text: str) -> None:
    asked = parse(text)

    assert all(term.words for term in asked.terms)
    assert asked.corrected({}) == asked.text
