"""Searches of 100,000 documents: of an index that is caught up, and right after a write.

``raw`` asks tantivy, the engine of the index, for the same words and reads as many hits: no
filters, no pieces of text, nobody's rights.
"""

from __future__ import annotations

import itertools
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from andamios_orm import run
from benchmarks.measure import (
    Bound,
    Figure,
    Places,
    Scale,
    Values,
    garbage_left_alone,
    measured,
    milliseconds,
)
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.repositories import (
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)
from project_architect_db.search import Following

if TYPE_CHECKING:
    from project_architect_db.schemas.search import SearchResults

__all__ = ["FIGURES", "whole_run"]

VOCABULARY: Final = 20_000
WORDS: Final = 85
PROJECTS: Final = 100
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
VIEWER: Final = "ana"


class Corpus:
    """Documents out of words that are as common as words are: the n-th is 1/n as common."""

    def __init__(self, documents: int) -> None:
        """Have so many documents, the same ones each time."""
        self.random = random.Random(1)
        self.documents = documents
        self.words = [self._word() for _ in range(VOCABULARY)]
        self._weights = list(itertools.accumulate(1 / (n + 1) for n in range(VOCABULARY)))

    def _word(self) -> str:
        return "".join(self.random.choices(LETTERS, k=self.random.randint(4, 10)))

    def text(self) -> str:
        """Return the content of a document."""
        return " ".join(self.random.choices(self.words, cum_weights=self._weights, k=WORDS))

    async def fill(self, database: DatabaseEngine) -> list[int]:
        """Store all documents, and return the keys of their projects; the viewer sees half."""
        projects = ProjectRepository(database)
        rows = [{"name": f"project {n}", "project_idea": self.text()} for n in range(PROJECTS)]
        found = list((await projects.bulk_create(rows)).ids)
        for key in found[: PROJECTS // 2]:
            await projects.add_member(key, VIEWER)
        for start in range(0, self.documents, 10_000):
            documents = [
                {
                    "project_id": self.random.choice(found),
                    "name": " ".join(self.random.choices(self.words, k=3)),
                    "content": self.text(),
                }
                for _ in range(start, min(start + 10_000, self.documents))
            ]
            await DocumentRepository(database).bulk_create(documents)
        return found

    def questions(self) -> dict[str, str]:
        """Return what is asked for each figure; the names of words say how common they are."""
        words = self.words
        typed = words[12_000][:-1]
        return {
            "search_word_everywhere": words[0],
            "search_word_common": words[10],
            "search_word_uncommon": words[1_000],
            "search_word_rare": words[15_000],
            "search_words": f"{words[10]} {words[30]}",
            "search_phrase": f'"{words[0]} {words[1]}"',
            "search_beginning": f"{words[100][:3]}*",
            "search_typo": typed + ("x" if words[12_000][-1] != "x" else "y"),
        }


def raw_search(index: Any, question: str) -> object:
    """Ask the engine for all of some words, and read 20 hits."""
    query, must = index.query, index.tantivy.Occur.Must
    words = [
        (must, query.disjunction_max_query([index.term("title", w), index.term("body", w)]))
        for w in question.split()
    ]
    found = index.searcher.search(query.boolean_query(words), limit=20)
    return [index.searcher.doc(address) for _, address in found.hits]


async def search(repository: SearchRepository, question: str) -> SearchResults:
    """Ask through the repository, which first sees whether anything has changed."""
    return await repository.search(question)


_BOTH: Final = {"raw": raw_search, "ours": search}
_OURS: Final = {"ours": search}
_WORD: Final = (
    Bound(
        2.0,
        reason="most of it is reading 20 hits, and cutting a piece out of the text of each one",
    ),
)

_COMMIT: Final = "a commit of the index alone takes tantivy 17 to 25 ms, half of it for the disk"

FIGURES = (
    Figure("search_word_everywhere", "one word, in every document", _BOTH, _WORD, target=2.0),
    Figure("search_word_common", "one word, in half of them", _BOTH, _WORD, target=2.0),
    Figure("search_word_uncommon", "one word, in one of 130", _BOTH, _WORD, target=2.0),
    Figure("search_word_rare", "one word, in one of 2,000", _BOTH, _WORD, target=2.0),
    Figure("search_words", "two words", _BOTH),
    Figure("search_phrase", "a phrase", _OURS),
    Figure("search_beginning", "the beginning of a word", _OURS),
    Figure("search_typo", "a word with a typo", _OURS),
    Figure("search_viewer", "one word, by a viewer who sees half of the projects", _OURS),
    Figure(
        "search_statements",
        "statements of a search when nothing has changed",
        _OURS,
        (Bound(0.0),),
        target=0.0,
        unit="statements",
    ),
    Figure(
        "search_written",
        "the first search after a write, which finds what was written",
        _OURS,
        (Bound(30.0, reason=_COMMIT),),
        target=30.0,
    ),
    Figure("search_rebuilt", "the index of 100,000 documents made anew", _OURS),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(f"duckdb:///{Path(folder) / 'search.duckdb'}", scale))
    return {name: {"file": times} for name, times in found.items()}


async def _measure(url: str, scale: Scale) -> dict[str, dict[str, Values]]:
    corpus = Corpus(scale.rows)
    async with DatabaseEngine(url) as database:
        await database.initialize()
        projects = await corpus.fill(database)
        repository = SearchRepository(database)
        started = time.perf_counter()
        await repository.rebuild()
        found = {"search_rebuilt": {"hot": milliseconds({"ours": time.perf_counter() - started})}}
        questions = corpus.questions()
        found |= await _asked(database, questions, scale)
        viewers = SearchRepository(database, viewer=VIEWER)
        word = questions["search_word_common"]
        found["search_viewer"] = await measured({"ours": lambda: search(viewers, word)}, scale)
        statements = await _statements(database, word)
        found["search_statements"] = {"hot": {"ours": float(statements)}}
        found["search_written"] = {"hot": await _after_writes(database, corpus, projects[0], scale)}
        return found


async def _asked(
    database: DatabaseEngine, questions: dict[str, str], scale: Scale
) -> dict[str, dict[str, Values]]:
    """Return the figures of the questions; those that take the engine's own words have its time."""
    index = (await Following.of(database.engine)).index
    repository = SearchRepository(database)
    found = {}
    for figure in FIGURES:
        if figure.name not in questions:
            continue
        question = questions[figure.name]
        calls: dict[str, Any] = {
            "raw": lambda question=question: raw_search(index, question),
            "ours": lambda question=question: search(repository, question),
        }
        found[figure.name] = await measured({name: calls[name] for name in figure.codes}, scale)
    return found


async def _after_writes(
    database: DatabaseEngine, corpus: Corpus, project: int, scale: Scale
) -> Values:
    """Return the median time of a search right after a document was created, which it finds."""
    repository, samples = SearchRepository(database), []
    with garbage_left_alone():
        for number in range(scale.rounds * scale.block):
            word = f"novelty{number}"
            await DocumentRepository(database).create(
                {"project_id": project, "name": "new", "content": f"{corpus.text()} {word}"}
            )
            started = time.perf_counter()
            results = await search(repository, word)
            samples.append(time.perf_counter() - started)
            assert results.hits[0].plain.endswith(word)
    return milliseconds({"ours": statistics.median(samples)})


async def _statements(database: DatabaseEngine, word: str) -> int:
    """Return how many statements one search of an index that is caught up runs."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    engine = database.engine.sync_engine
    repository = SearchRepository(database)
    await search(repository, word)
    event.listen(engine, "before_cursor_execute", note)
    await search(repository, word)
    event.remove(engine, "before_cursor_execute", note)
    return len(found)
