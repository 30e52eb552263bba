from __future__ import annotations

import orjson
import pytest

from project_architect_db.models.complexity import complexity_score, framework_of
from project_architect_db.models.texts import count_words, size_of
from project_architect_db.seeding import documents, words

pytestmark = pytest.mark.unit


@pytest.mark.slow
def test_texts_have_many_words_of_which_few_are_frequent() -> None:
    paragraphs = words.paragraphs(7)

    found: dict[str, int] = {}
    for text, count, size, tokens in paragraphs:
        assert (count, size) == (count_words(text), size_of(text))
        assert tokens >= count
        for word in text.lower().split():
            found[word] = found.get(word, 0) + 1
    assert len(found) > 2_500
    frequent = sorted(found.values(), reverse=True)
    assert sum(frequent[:100]) > sum(frequent[100:]) / 3


def test_the_same_seed_writes_the_same_and_another_one_does_not() -> None:
    assert words.openings(7, 20) == words.openings(7, 20) != words.openings(8, 20)
    assert words.tongues(7, 20) == words.tongues(7, 20) != words.tongues(8, 20)


def test_architectures_are_told_as_the_models_tell_them() -> None:
    made = words.architectures(7, 200)

    for document, framework, score in made:
        assert framework == framework_of(orjson.loads(document))
        assert score == complexity_score(orjson.loads(document))
    frameworks = [framework for _, framework, _ in made]
    assert frameworks.count("FastAPI") > frameworks.count("Axum")


def test_names_fit_their_columns() -> None:
    assert len({address for _, address in words.people()}) == 1_024
    assert max(len(name) for name, _, _ in words.titles()) < 255
    assert all(size == len(text) for *_, text, _, size in documents.heads())
    assert all(count == count_words(text) for text, count, _ in documents.sections())
