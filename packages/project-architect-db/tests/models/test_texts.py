"""What is counted of a text, whatever is passed for one."""

from __future__ import annotations

import pytest

from project_architect_db.models.texts import count_words, digest_of, size_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "words", "size"),
    [("", 0, 0), ("año\nuno  ", 2, 10), ("\ud800", 1, 3), (None, 0, 0), (7, 0, 0)],
)
def test_words_and_bytes_are_counted(text: object, words: int, size: int) -> None:
    assert (count_words(text), size_of(text)) == (words, size)


def test_a_digest_tells_texts_apart() -> None:
    assert digest_of("a") != digest_of("b")
    assert digest_of("a") == digest_of("a")
    assert len(digest_of(None)) == 64
