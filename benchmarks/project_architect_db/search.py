"""Searches at 100,000 documents: target, the engine alone, and ours.

``python -m benchmarks.project_architect_db.search`` prints the table; ``--quick`` takes
2,000 documents, ``--postgresql URL`` measures an empty PostgreSQL database instead.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import event, text

from andamios_orm import run
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.repositories import (
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)
from project_architect_db.search import Following

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["main"]

VOCABULARY = 20_000
WORDS = 85
PROJECTS = 100
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Line(NamedTuple):
    """One line of the table; times are milliseconds."""

    name: str
    target: float | None
    raw: float | None
    ours: float
    worst: float

    def __str__(self) -> str:
        """Return the columns."""
        target = "-" if self.target is None else f"<= {self.target:g}"
        raw = "-" if self.raw is None else f"{self.raw:.3f}"
        return f"{self.name:<44} {target:>8} {raw:>10} {self.ours:>10.3f} {self.worst:>10.3f}"


class Corpus:
    """Documents out of words that are as common as words are: the n-th is 1/n as common."""

    def __init__(self, documents: int) -> None:
        """Have so many documents."""
        self.random = random.Random(1)
        self.documents = documents
        self.words = [self._word() for _ in range(VOCABULARY)]
        self._weights = list(itertools.accumulate(1 / (n + 1) for n in range(VOCABULARY)))

    def _word(self) -> str:
        return "".join(self.random.choices(LETTERS, k=self.random.randint(4, 10)))

    def text(self) -> str:
        """Return the content of a document."""
        return " ".join(self.random.choices(self.words, cum_weights=self._weights, k=WORDS))

    async def fill(self, engine: DatabaseEngine) -> list[int]:
        """Store all documents, and return the keys of their projects."""
        rows = [{"name": f"project {n}", "project_idea": self.text()} for n in range(PROJECTS)]
        projects = list((await ProjectRepository(engine).bulk_create(rows)).ids)
        for start in range(0, self.documents, 10_000):
            await DocumentRepository(engine).bulk_create(
                [
                    {
                        "project_id": self.random.choice(projects),
                        "name": " ".join(self.random.choices(self.words, k=3)),
                        "content": self.text(),
                    }
                    for _ in range(start, min(start + 10_000, self.documents))
                ]
            )
        return projects


async def measure(engine: DatabaseEngine, corpus: Corpus, rounds: int) -> list[Line]:
    """Return the lines of the table for one database."""
    projects = await corpus.fill(engine)
    search = SearchRepository(engine)
    started = time.perf_counter()
    await search.rebuild()
    built = (time.perf_counter() - started) * 1_000
    lines = [Line(f"the index of {corpus.documents:,} made anew", None, None, built, built)]
    raw = await _raw(engine)
    words = corpus.words
    asked = {
        "one word, in every document": (words[0], 2.0),
        "one word, in half of them": (words[10], 2.0),
        "one word, in one of 130": (words[1_000], 2.0),
        "one word, in one of 2,000": (words[15_000], 2.0),
        "two words": (f"{words[10]} {words[30]}", None),
        "a phrase": (f'"{words[0]} {words[1]}"', None),
        "a beginning": (f"{words[100][:3]}*", None),
        "a typo": (f"{words[12_000][:-1]}{'x' if words[12_000][-1] != 'x' else 'y'}", None),
    }
    for name, (question, target) in asked.items():
        floor = None if raw is None or '"' in question or "*" in question else raw
        lines.append(await _line(name, target, floor, search, question, rounds))
    lines.append(await _viewer(engine, projects, words[10], rounds))
    lines.append(await _after_a_write(engine, search, projects, corpus, rounds))
    print(f"statements of a search that is caught up: {await _statements(engine, words[10])}")
    return lines


async def _line(  # noqa: PLR0913 - what a line consists of
    name: str,
    target: float | None,
    raw: Callable[[str], object] | None,
    search: SearchRepository,
    question: str,
    rounds: int,
) -> Line:
    ours = await _timed(lambda: search.search(question), rounds)
    floor = None
    if raw is not None:
        samples = []
        for _ in range(rounds):
            started = time.perf_counter()
            raw(question)
            samples.append(time.perf_counter() - started)
        floor = statistics.median(samples) * 1_000
    return Line(name, target, floor, statistics.median(ours), max(ours))


async def _viewer(engine: DatabaseEngine, projects: Sequence[int], word: str, rounds: int) -> Line:
    for key in projects[: len(projects) // 2]:
        await ProjectRepository(engine).add_member(key, "ana")
    search = SearchRepository(engine, viewer="ana")
    ours = await _timed(lambda: search.search(word), rounds)
    return Line("a viewer who sees half of it", None, None, statistics.median(ours), max(ours))


async def _after_a_write(
    engine: DatabaseEngine,
    search: SearchRepository,
    projects: Sequence[int],
    corpus: Corpus,
    rounds: int,
) -> Line:
    samples = []
    for number in range(rounds):
        word = f"novelty{number}"
        await DocumentRepository(engine).create(
            {"project_id": projects[0], "name": "new", "content": f"{corpus.text()} {word}"}
        )
        started = time.perf_counter()
        results = await search.search(word)
        samples.append((time.perf_counter() - started) * 1_000)
        assert results.hits[0].plain.endswith(word)
    name = "the first search after a write, which sees it"
    return Line(name, 30.0, None, statistics.median(samples), max(samples))


async def _timed(call: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    await call()
    samples = []
    for _ in range(rounds):
        started = time.perf_counter()
        await call()
        samples.append((time.perf_counter() - started) * 1_000)
    return samples


async def _statements(engine: DatabaseEngine, word: str) -> int:
    """Return how many statements one search of an index that is up to date runs."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    sync_engine = engine.engine.sync_engine
    await SearchRepository(engine).search(word)
    event.listen(sync_engine, "before_cursor_execute", note)
    await SearchRepository(engine).search(word)
    event.remove(sync_engine, "before_cursor_execute", note)
    return len(found)


async def _raw(engine: DatabaseEngine) -> Callable[[str], object] | None:
    """Return what asks tantivy alone for all of some words, and reads 20 hits."""
    if engine.engine.dialect.name != "duckdb":
        return None
    following = await Following.of(engine.engine)
    index: Any = following.index
    query, must = index.query, index.tantivy.Occur.Must

    def ask(question: str) -> object:
        words = [
            (must, query.disjunction_max_query([index.term("title", w), index.term("body", w)]))
            for w in question.split()
        ]
        found = index.searcher.search(query.boolean_query(words), limit=20)
        return [index.searcher.doc(address) for _, address in found.hits]

    return ask


async def _on_duckdb(corpus: Corpus, rounds: int) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        async with DatabaseEngine(f"duckdb:///{Path(folder) / 'search.duckdb'}") as engine:
            await engine.initialize()
            return await measure(engine, corpus, rounds)


async def _on_postgresql(url: str, corpus: Corpus, rounds: int) -> list[Line]:
    async with DatabaseEngine(url) as engine:
        await engine.initialize()
        found = await measure(engine, corpus, rounds)
        async with engine.engine.connect() as connection:
            size = await connection.scalar(
                text("SELECT pg_size_pretty(pg_relation_size('idx_document_search'))")
            )
        print(f"the index of documents has {size}")
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Searches: target, the engine alone, ours.")
    parser.add_argument("--quick", action="store_true", help="2,000 documents, few rounds")
    parser.add_argument("--postgresql", metavar="URL", help="an empty PostgreSQL database")
    options = parser.parse_args(arguments)
    corpus = Corpus(2_000 if options.quick else 100_000)
    rounds = 5 if options.quick else 100
    if options.postgresql:
        lines = run(_on_postgresql(options.postgresql, corpus, rounds))
    else:
        lines = run(_on_duckdb(corpus, rounds))
    print(f"{'milliseconds':<44} {'target':>8} {'raw p50':>10} {'ours p50':>10} {'worst':>10}")
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
