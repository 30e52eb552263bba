"""What a test pays for a database of its own: lent empty, written to, and given back."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session, run
from andamios_orm.exceptions import MissingExtra
from andamios_orm.models import IntegerKeyMixin
from andamios_orm.testing.databases import PostgresDatabases
from andamios_orm.testing.lending import LentDatabases
from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.prepared import PreparedDatabases
from andamios_orm.testing.rollback import rolled_back
from andamios_orm.testing.run import Run
from benchmarks.measure import Bound, Figure, Places, Scale, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FIGURES", "whole_run"]

NUMBERS = count(1)


class Base(DeclarativeBase):
    """The models of this benchmark."""


class Thing(IntegerKeyMixin, Base):
    """What a test stores one of."""

    __tablename__ = "things"
    name: Mapped[str] = mapped_column(index=True)


@contextmanager
def opened_by_hand() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB with the table, opened for one test."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SEQUENCE keys")
        connection.execute(
            "CREATE TABLE things (id BIGINT DEFAULT nextval('keys') PRIMARY KEY, name VARCHAR)"
        )
        connection.execute("CREATE INDEX by_name ON things (name)")
        yield connection


def committing(lent: LentDatabases) -> AbstractContextManager[Database]:
    """Return what ``andamios_db`` is."""
    return lent.duckdb(Base.metadata)


@contextmanager
def rolling_back(lent: LentDatabases) -> Iterator[Session]:
    """Yield what ``andamios_db_rollback`` is."""
    with (
        lent.duckdb(Base.metadata, "rollback") as database,
        rolled_back(database.engine, lent.settle) as session,
    ):
        yield session


def savepoints(lent: LentDatabases) -> AbstractContextManager[Session]:
    """Return what ``andamios_session`` is on PostgreSQL."""
    return rolled_back(lent.held_postgresql(Base.metadata).engine, lent.settle)


def emptied(lent: LentDatabases) -> AbstractContextManager[Database]:
    """Return what ``andamios_pg`` is."""
    return lent.postgresql(Base.metadata)


@contextmanager
def cloned(databases: PostgresDatabases, template: str) -> Iterator[str]:
    """Yield the URL of a copy of a template, which goes with the server."""
    yield databases.create(template)


FIGURES = (
    Figure(
        "isolation",
        "a DuckDB database for one test (raw: one opened for it)",
        {"raw": opened_by_hand, "ours": committing},
        (Bound(5.0),),
        target=5.0,
    ),
    Figure(
        "isolation_rollback",
        "a session on DuckDB that is rolled back",
        {"raw": opened_by_hand, "ours": rolling_back},
        (Bound(2.0),),
        target=2.0,
    ),
    Figure(
        "isolation_savepoint",
        "a session on PostgreSQL that is rolled back",
        {"ours": savepoints},
        (Bound(2.0),),
        target=2.0,
    ),
    Figure(
        "isolation_postgresql",
        "a PostgreSQL database for one test, emptied after it",
        {"ours": emptied},
        (Bound(40.0),),
        target=40.0,
    ),
    Figure(
        "isolation_clone",
        "a copy of a PostgreSQL template, once for each worker",
        {"ours": cloned},
        (Bound(40.0),),
        target=40.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run; those of PostgreSQL only where there is one."""
    rounds = scale.rounds * 4
    shared = Run.create()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _measured(shared, Path(folder), rounds)
    finally:
        shared.close()


def _measured(shared: Run, folder: Path, rounds: int) -> dict[str, Places]:
    @cache
    def databases() -> PostgresDatabases:
        server = shared.server(PostgresSettings.from_environment(os.environ))
        return PostgresDatabases(server.url, shared.name, "main")

    prepared = PreparedDatabases(folder, databases)
    lent = LentDatabases(prepared)
    raw = _times(opened_by_hand, rounds)
    found: dict[str, Places] = {
        "isolation": _hot("memory", raw=raw, ours=_times(lambda: committing(lent), rounds)),
        "isolation_rollback": _hot(
            "memory", raw=raw, ours=_times(lambda: rolling_back(lent), rounds)
        ),
    }
    try:
        made = databases()
    except MissingExtra as error:
        print(f"isolation on PostgreSQL is left out: {error}", file=sys.stderr)
    else:
        template = made.template("things", lambda _: None)
        for name, block in {
            "isolation_savepoint": lambda: savepoints(lent),
            "isolation_postgresql": lambda: emptied(lent),
            "isolation_clone": lambda: cloned(made, template),
        }.items():
            found[name] = _hot("postgresql", ours=_times(block, rounds))
    lent.close()
    prepared.close()
    return found


def _hot(place: str, **values: float) -> Places:
    found: dict[str, Values] = {"hot": values}
    return {place: found}


def _times(block: Callable[[], AbstractContextManager[object]], rounds: int) -> float:
    """Return the median of the milliseconds before and after a test that stores a row."""
    spent = []
    for _ in range(rounds + 2):
        started = time.perf_counter()
        with block() as given:
            entered = time.perf_counter()
            _store(given)
            left = time.perf_counter()
        spent.append((entered - started) + (time.perf_counter() - left))
    return statistics.median(spent[2:]) * 1000


def _store(given: object) -> None:
    """Store a row, as the test that was given something would."""
    name = f"thing {next(NUMBERS)}"
    if isinstance(given, duckdb.DuckDBPyConnection):
        given.execute("INSERT INTO things (name) VALUES (?)", [name])
    elif isinstance(given, Database):
        run(_store_in(given, name))
    elif isinstance(given, Session):
        run(_add(given, name))


async def _store_in(database: Database, name: str) -> None:
    async with database.session() as session:
        await _add(session, name)


async def _add(session: Session, name: str) -> None:
    session.add(Thing(name=name))
    await session.commit()
    assert await session.scalar(select(Thing.id).where(Thing.name == name)) is not None
