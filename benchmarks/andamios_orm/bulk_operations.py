"""Writing 10,000 rows at once: through Core, through repositories, and on PostgreSQL.

duckdb-sqlalchemy sends rows one by one, which takes it seconds: it is given a tenth of
them, and its time counts tenfold.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from psycopg.types.json import Jsonb, set_json_dumps
from pyarrow import lib as arrow
from sqlalchemy import Engine, insert, make_url
from sqlalchemy.orm import Session

from andamios_orm import Database, run
from andamios_orm.exceptions import MissingExtra
from andamios_orm.repositories import BaseRepository
from andamios_orm.testing.databases import PostgresDatabases
from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run
from benchmarks.andamios_orm import contenders, documents
from benchmarks.andamios_orm.contenders import projects
from benchmarks.andamios_orm.documents import NAMES, Document, DocumentIn, Stock, Unrecorded
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["FIGURES", "TENTH", "whole_run", "with_slow"]

Rows = list[dict[str, Any]]

COPIED = ["text", "text", "text", "int8", "float8", "bool", "jsonb", "timestamp", "timestamp"]
"""The types of the columns beside the key, on PostgreSQL."""

TENTH = 10
"""A contender that sends rows one by one gets this part of them."""


# ---- Core, keys from a sequence ------------------------------------------------------


def raw_insert(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Any:
    """Insert dicts by way of Arrow, the fastest way that the driver has."""
    connection.register("given", arrow.Table.from_pylist(rows))
    keys = connection.execute(
        "INSERT INTO project BY NAME SELECT nextval('project_id') AS id, * FROM given RETURNING id"
    ).fetchall()
    connection.unregister("given")
    return keys


def sync_insert(engine: Engine, rows: Rows) -> Any:
    """Insert dicts through Core of the stock dialect."""
    with engine.begin() as connection:
        return connection.execute(insert(projects).returning(projects.c.id), rows).all()


async def core_insert(engine: AsyncEngine, rows: Rows) -> Any:
    """Insert dicts through Core."""
    async with engine.begin() as connection:
        return (await connection.execute(insert(projects).returning(projects.c.id), rows)).all()


# ---- repositories, on a file with key and indexes --------------------------------------


def raw_dicts(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Any:
    """Insert dicts by way of Arrow, unchecked, and get their keys."""
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in NAMES}
    columns["settings"] = [orjson.dumps(value).decode() for value in columns["settings"]]
    return raw_arrow(connection, arrow.Table.from_pydict(columns))


def raw_arrow(connection: duckdb.DuckDBPyConnection, table: Any) -> Any:
    """Insert what is in Arrow already, unchecked, and get the keys."""
    cursor = connection.cursor()
    cursor.begin()
    cursor.register("given", table)
    keys = cursor.execute(
        "INSERT INTO document BY NAME SELECT * FROM given RETURNING id"
    ).fetchall()
    cursor.unregister("given")
    cursor.commit()
    return keys


def sync_core(engine: Engine, rows: Rows) -> Any:
    """Insert dicts through Core of the stock dialect, without their keys."""
    with engine.begin() as connection:
        return connection.execute(insert(Stock), rows)


def sync_add_all(engine: Engine, rows: Rows) -> list[Stock]:
    """Check dicts with pydantic and insert them as instances of the stock dialect."""
    with Session(engine, expire_on_commit=False) as session:
        found = [Stock(**dict(DocumentIn.model_validate(row))) for row in rows]
        session.add_all(found)
        session.commit()
    return found


async def bulk_dicts(database: Database, rows: Any) -> Sequence[Any]:
    """Insert dicts or Arrow, checked by the column and recorded, and get their keys."""
    async with database.transaction() as session:
        created = await BaseRepository(session, Document).bulk_create(rows)
    return created.ids


async def bulk_unrecorded(database: Database, rows: Rows) -> Sequence[Any]:
    """Do the same with a model without feed."""
    async with database.transaction() as session:
        created = await BaseRepository(session, Unrecorded).bulk_create(rows)
    return created.ids


async def bulk_models(database: Database, rows: Rows) -> list[Document]:
    """Insert dicts, checked with pydantic, and get instances."""
    async with database.transaction() as session:
        created = await BaseRepository(session, Document).bulk_create(rows, schema=DocumentIn)
    return list(created)


# ---- PostgreSQL ------------------------------------------------------------------------


def raw_copy(connection: psycopg.Connection, rows: Rows) -> None:
    """Insert dicts by binary COPY, unchecked, without their keys."""
    columns = ", ".join(NAMES)
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY document ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(COPIED)
            for row in rows:
                copy.write_row(list({**row, "settings": Jsonb(row["settings"])}.values()))
        connection.commit()


_TENTH = "duckdb-sqlalchemy had a tenth of the rows, and its time counts tenfold"

_CHECKED = (
    "a quarter of the time goes into taking rows apart and checking each value in Python, and a "
    "twentieth into the keys, which are fetched beforehand"
)
_INSTANCES = "pydantic alone takes a third of raw, and the instances three quarters of it"
_FETCHED = (
    "rows are taken apart and each value is checked in Python; the keys are fetched beforehand, "
    "the change is recorded"
)

FIGURES = (
    Figure(
        "bulk_insert",
        "10,000 dicts in one Core insert with RETURNING, keys from a sequence",
        {"raw": raw_insert, "sync": sync_insert, "ours": core_insert},
        (Bound(0.2, "sync"),),
        target=100.0,
        note=_TENTH,
    ),
    Figure(
        "bulk_dicts",
        "repository, 10,000 dicts checked, their keys back",
        {"raw": raw_dicts, "sync": sync_core, "ours": bulk_dicts},
        (Bound(1.3, "raw", reason=_CHECKED), Bound(0.2, "sync")),
        target=100.0,
        note=_TENTH,
    ),
    Figure(
        "bulk_models",
        "repository, 10,000 dicts through pydantic, instances back",
        {"raw": raw_dicts, "sync": sync_add_all, "ours": bulk_models},
        (Bound(2.2, "raw", reason=_INSTANCES), Bound(0.15, "sync")),
        target=100.0,
        note=_TENTH,
    ),
    Figure(
        "bulk_arrow",
        "repository, 10,000 rows of Arrow, their keys back",
        {"raw": raw_arrow, "ours": bulk_dicts},
        (Bound(1.3, "raw"),),
        target=100.0,
    ),
    Figure(
        "feed_bulk",
        "what the feed adds to 10,000 dicts",
        {"raw": raw_dicts, "without": bulk_unrecorded, "ours": bulk_dicts},
        (Bound(0.1, "without", beyond="without"),),
    ),
    Figure(
        "bulk_postgresql",
        "repository on PostgreSQL, 10,000 dicts checked, their keys back",
        {"raw": raw_copy, "ours": bulk_dicts},
        (Bound(1.5, "raw", reason=_FETCHED),),
        target=100.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    found: dict[str, Places] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["bulk_insert"] = {
            "memory": run(_measure_core(None, scale)),
            "file": run(_measure_core(Path(folder), scale)),
        }
    with tempfile.TemporaryDirectory() as folder:
        measured_figures = run(_measure_repositories(Path(folder), scale))
    found |= {name: {"file": values} for name, values in measured_figures.items()}
    try:
        with _postgresql() as url:
            found["bulk_postgresql"] = {"postgresql": run(_measure_postgresql(url, scale))}
    except MissingExtra as error:
        print(f"bulk_postgresql is left out: {error}", file=sys.stderr)
    return found


async def _measure_core(folder: Path | None, scale: Scale) -> dict[str, Values]:
    rows = [contenders.values(number) for number in range(scale.bulk_rows)]
    async with contenders.opened(folder, rows=0) as opened:
        # The first insert of each is not timed.
        assert len(raw_insert(opened.raw, rows)) == len(rows)
        assert len(await core_insert(opened.engine, rows)) == len(rows)
        return await with_slow(
            {
                "raw": lambda: raw_insert(opened.raw, rows),
                "ours": lambda: core_insert(opened.engine, rows),
            },
            {"sync": lambda: sync_insert(opened.sync, rows[::TENTH])},
            replace(scale, rounds=3, idle=2),
        )


async def _measure_repositories(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    rows = [documents.values(number) for number in range(scale.bulk_rows)]
    table = arrow.Table.from_pylist([documents.bindable(row) for row in rows])
    async with documents.opened(folder, rows=0) as opened:
        raw, sync, database = opened.raw, opened.sync, opened.database
        assert len(raw_dicts(raw, rows)) == len(await bulk_dicts(database, rows)) == len(rows)
        times = await with_slow(
            {
                "raw": lambda: raw_dicts(raw, rows),
                "raw arrow": lambda: raw_arrow(raw, table),
                "dicts": lambda: bulk_dicts(database, rows),
                "without": lambda: bulk_unrecorded(database, rows),
                "models": lambda: bulk_models(database, rows),
                "arrow": lambda: bulk_dicts(database, table),
            },
            {
                "core": lambda: sync_core(sync, rows[::TENTH]),
                "add_all": lambda: sync_add_all(sync, rows[::TENTH]),
            },
            replace(scale, idle=0),
        )
    figures = {
        "bulk_dicts": {"raw": "raw", "sync": "core", "ours": "dicts"},
        "bulk_models": {"raw": "raw", "sync": "add_all", "ours": "models"},
        "bulk_arrow": {"raw": "raw arrow", "ours": "arrow"},
        "feed_bulk": {"raw": "raw", "without": "without", "ours": "dicts"},
    }
    return {
        figure: {"hot": {name: times["hot"][contender] for name, contender in names.items()}}
        for figure, names in figures.items()
    }


async def _measure_postgresql(url: str, scale: Scale) -> dict[str, Values]:
    rows = [documents.values(number) for number in range(scale.bulk_rows)]
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with Database(url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(documents.Base.metadata.create_all)
        with psycopg.connect(plain) as raw:
            set_json_dumps(orjson.dumps, raw)
            return await measured(
                {
                    "raw": lambda: raw_copy(raw, rows),
                    "ours": lambda: bulk_dicts(database, rows),
                },
                replace(scale, block=1, idle=0),
            )


async def with_slow(
    contenders: dict[str, Any], slow: dict[str, Any], scale: Scale
) -> dict[str, Values]:
    """Measure contenders in turns; those that are ``slow`` take part in the first of them."""
    first = await measured(
        {**contenders, **slow}, replace(scale, rounds=1, block=1, idle=0), warm=False
    )
    found = await measured(contenders, replace(scale, block=1))
    added = {name: first["hot"][name] * TENTH for name in slow}
    return {when: values | added for when, values in found.items()}


@contextmanager
def _postgresql() -> Iterator[str]:
    """Yield the URL of an empty database on the server of the test kit."""
    shared = Run.create()
    try:
        server = shared.server(PostgresSettings.from_environment(os.environ))
        databases = PostgresDatabases(server.url, shared.name, "main")
        url = databases.create()
        yield url
        databases.drop(url)
    finally:
        shared.close()
