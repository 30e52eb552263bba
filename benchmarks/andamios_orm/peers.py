"""The same work by others: Advanced Alchemy, SQLModel and SQLAlchemy as they come.

All of them on files with the same table, key and indexes, every call in a session of its
own. On DuckDB they go through duckdb-sqlalchemy's sync dialect, for there is no async one;
SQLite is what an async program would take instead. On DuckDB they send rows one by one:
they get a tenth of the 10,000, and their time counts tenfold.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlmodel
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository, SQLAlchemySyncRepository
from sqlalchemy import JSON, BigInteger, Column, DateTime, Double, Engine, Sequence, insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from andamios_orm import run
from benchmarks.andamios_orm.bulk_operations import (
    TENTH,
    bulk_dicts,
    bulk_models,
    raw_dicts,
    sync_add_all,
    sync_core,
    with_slow,
)
from benchmarks.andamios_orm.documents import (
    Contenders,
    DocumentIn,
    Given,
    Stock,
    StockBase,
    opened,
    values,
)
from benchmarks.measure import Code, Figure, Places, Scale, Values, keys, measured
from benchmarks.andamios_orm.repository_operations import (
    raw_create,
    raw_list,
    raw_update,
    recorded_create,
    recorded_update,
    repository_list,
    sync_create,
    sync_list,
    sync_update,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

__all__ = ["FIGURES", "whole_run"]

Rows = list[dict[str, Any]]


class Modelled(sqlmodel.SQLModel, table=True):
    """The document as SQLModel has it."""

    __tablename__ = "document"

    id: int | None = sqlmodel.Field(
        default=None,
        sa_column=Column(BigInteger, Sequence("document_id_seq"), primary_key=True),
    )
    name: str = sqlmodel.Field(min_length=1, max_length=255, index=True)
    content: str = sqlmodel.Field(max_length=5000)
    status: str = sqlmodel.Field(max_length=20, index=True)
    priority: int = sqlmodel.Field(ge=0, sa_type=BigInteger)
    score: float = sqlmodel.Field(sa_type=Double)
    public: bool
    settings: dict[str, Any] = sqlmodel.Field(sa_type=JSON)
    created_at: dt.datetime = sqlmodel.Field(index=True, sa_type=DateTime)
    updated_at: dt.datetime = sqlmodel.Field(sa_type=DateTime)


class Documents(SQLAlchemySyncRepository[Stock]):
    """The repository of Advanced Alchemy."""

    model_type = Stock


class AsyncDocuments(SQLAlchemyAsyncRepository[Stock]):
    """The same, async."""

    model_type = Stock


# ---- Advanced Alchemy on sqlite+aiosqlite ----------------------------------------------


async def sqlite_create(engine: AsyncEngine, given: Given) -> Stock:
    """Add one through the async repository."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        return await AsyncDocuments(session=session).add(Stock(**given), auto_commit=True)


async def sqlite_update(engine: AsyncEngine, key: int, content: str) -> Stock:
    """Get one, change it, store it."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        found = await AsyncDocuments(session=session).get(key)
        found.content = content
        found.priority = 3
        await session.commit()
    return found


async def sqlite_list(engine: AsyncEngine, count: int) -> Any:
    """Read the first, in the order of their keys."""
    async with AsyncSession(engine) as session:
        documents = AsyncDocuments(session=session)
        return await documents.get_many(LimitOffset(count, 0), OrderBy("id", "asc"))


async def sqlite_dicts(engine: AsyncEngine, rows: Rows) -> Any:
    """Add dicts, unchecked, and get their keys."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        documents = AsyncDocuments(session=session)
        added = await documents.add_many([Stock(**row) for row in rows], auto_commit=True)
    return [document.id for document in added]


async def sqlite_models(engine: AsyncEngine, rows: Rows) -> Any:
    """Add dicts, checked with pydantic, and get instances."""
    found = [Stock(**dict(DocumentIn.model_validate(row))) for row in rows]
    async with AsyncSession(engine, expire_on_commit=False) as session:
        return await AsyncDocuments(session=session).add_many(found, auto_commit=True)


# ---- Advanced Alchemy on DuckDB --------------------------------------------------------


def alchemy_create(engine: Engine, given: Given) -> Stock:
    """Add one through the sync repository."""
    with Session(engine, expire_on_commit=False) as session:
        return Documents(session=session).add(Stock(**given), auto_commit=True)


def alchemy_update(engine: Engine, key: int, content: str) -> Stock:
    """Get one, change it, store it."""
    with Session(engine, expire_on_commit=False) as session:
        found = Documents(session=session).get(key)
        found.content = content
        found.priority = 3
        session.commit()
    return found


def alchemy_list(engine: Engine, count: int) -> Any:
    """Read the first, in the order of their keys."""
    with Session(engine) as session:
        return Documents(session=session).get_many(LimitOffset(count, 0), OrderBy("id", "asc"))


def alchemy_dicts(engine: Engine, rows: Rows) -> Any:
    """Add dicts, unchecked, and get their keys."""
    with Session(engine, expire_on_commit=False) as session:
        documents = Documents(session=session)
        added = documents.add_many([Stock(**row) for row in rows], auto_commit=True)
    return [document.id for document in added]


def alchemy_models(engine: Engine, rows: Rows) -> Any:
    """Add dicts, checked with pydantic, and get instances."""
    found = [Stock(**dict(DocumentIn.model_validate(row))) for row in rows]
    with Session(engine, expire_on_commit=False) as session:
        return Documents(session=session).add_many(found, auto_commit=True)


# ---- SQLModel on DuckDB ----------------------------------------------------------------


def sqlmodel_create(engine: Engine, given: Given) -> Modelled:
    """Check one and add it."""
    with sqlmodel.Session(engine, expire_on_commit=False) as session:
        found = Modelled.model_validate(given)
        session.add(found)
        session.commit()
    return found


def sqlmodel_update(engine: Engine, key: int, content: str) -> Modelled:
    """Get one, change it, store it."""
    with sqlmodel.Session(engine, expire_on_commit=False) as session:
        found = session.get_one(Modelled, key)
        found.sqlmodel_update({"content": content, "priority": 3})
        session.commit()
    return found


def sqlmodel_list(engine: Engine, count: int) -> Any:
    """Read the first, in the order of their keys."""
    with sqlmodel.Session(engine) as session:
        by_key = sqlmodel.select(Modelled).order_by(sqlmodel.col(Modelled.id)).limit(count)
        return session.exec(by_key).all()


def sqlmodel_models(engine: Engine, rows: Rows) -> Any:
    """Check dicts, add them, and get instances."""
    found = [Modelled.model_validate(row) for row in rows]
    with sqlmodel.Session(engine, expire_on_commit=False) as session:
        session.add_all(found)
        session.commit()
    return found


# ---- what is compared --------------------------------------------------------------------

OURS = "ours"
SQLITE = "Advanced Alchemy, sqlite+aiosqlite"
ALCHEMY = "Advanced Alchemy, DuckDB"
SQLMODEL = "SQLModel, DuckDB"
SQLALCHEMY = "SQLAlchemy, DuckDB"


def _compared(name: str, title: str, *codes: Any, note: str = "") -> Figure:
    names = ("raw", OURS, SQLITE, ALCHEMY, SQLMODEL, SQLALCHEMY)
    return Figure(name, title, dict(zip(names, codes, strict=True)), note=note, compares=True)


FIGURES = (
    _compared(
        "peers_create",
        "one new row",
        raw_create,
        recorded_create,
        sqlite_create,
        alchemy_create,
        sqlmodel_create,
        sync_create,
    ),
    _compared(
        "peers_update",
        "one changed row",
        raw_update,
        recorded_update,
        sqlite_update,
        alchemy_update,
        sqlmodel_update,
        sync_update,
    ),
    _compared(
        "peers_list_100",
        "100 rows as instances",
        raw_list,
        repository_list,
        sqlite_list,
        alchemy_list,
        sqlmodel_list,
        sync_list,
    ),
    _compared(
        "peers_list_10000",
        "10,000 rows as instances",
        raw_list,
        repository_list,
        sqlite_list,
        alchemy_list,
        sqlmodel_list,
        sync_list,
    ),
    _compared(
        "peers_dicts",
        "10,000 dicts, their keys back (SQLAlchemy: without)",
        raw_dicts,
        bulk_dicts,
        sqlite_dicts,
        alchemy_dicts,
        sqlmodel_models,
        sync_core,
    ),
    _compared(
        "peers_models",
        "10,000 dicts through pydantic, instances back",
        raw_dicts,
        bulk_models,
        sqlite_models,
        alchemy_models,
        sqlmodel_models,
        sync_add_all,
    ),
)


@dataclass(frozen=True, slots=True)
class Peers:
    """Open databases: those of the contenders, a DuckDB file for each peer, and SQLite."""

    own: Contenders
    sqlite: AsyncEngine
    alchemy: Engine
    sqlmodel: Engine
    sqlalchemy: Engine


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(
            _measure(Path(folder), replace(scale, idle=0, rounds=max(1, scale.rounds // 3)))
        )
    return {name: {"file": times} for name, times in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    async with _opened(folder, scale.rows) as peers:
        found = {
            "peers_create": await _creates(peers, scale),
            "peers_update": await _updates(peers, scale),
            "peers_list_100": await _lists(peers, 100, replace(scale, block=3)),
            "peers_list_10000": await _lists(peers, 10_000, replace(scale, block=1)),
        }
        return found | await _bulks(peers, scale)


@asynccontextmanager
async def _opened(folder: Path, rows: int) -> AsyncIterator[Peers]:
    """Yield everything open, with ``rows`` documents in each."""
    sqlite = create_async_engine(f"sqlite+aiosqlite:///{folder / 'peer.sqlite'}")
    async with sqlite.begin() as connection:
        await connection.run_sync(StockBase.metadata.create_all)
    for start in range(0, rows, 10_000):
        count = min(10_000, rows - start)
        async with sqlite.begin() as connection:
            given = [values(start + number) for number in range(count)]
            await connection.execute(insert(Stock), given)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sqlite.dispose)
        opened_for = {}
        for name in ("own", "alchemy", "sqlmodel"):
            (folder / name).mkdir()
            opened_for[name] = await stack.enter_async_context(opened(folder / name, rows=rows))
        own = opened_for["own"]
        yield Peers(own, sqlite, opened_for["alchemy"].sync, opened_for["sqlmodel"].sync, own.sync)


def _calls(peers: Peers, codes: Mapping[str, Code], arguments: Callable[[], Any]) -> dict[str, Any]:
    """Return a call of each contender on its database, with arguments of its own series."""
    places = {
        "raw": peers.own.raw,
        OURS: peers.own.database,
        SQLITE: peers.sqlite,
        ALCHEMY: peers.alchemy,
        SQLMODEL: peers.sqlmodel,
        SQLALCHEMY: peers.sqlalchemy,
    }

    def call(name: str, code: Code) -> Any:
        series = arguments()
        return lambda: code(places[name], *next(series))

    return {name: call(name, code) for name, code in codes.items()}


def _codes(name: str) -> Mapping[str, Code]:
    return next(figure.codes for figure in FIGURES if figure.name == name)


async def _creates(peers: Peers, scale: Scale) -> dict[str, Values]:
    def series() -> Any:
        return ((values(number),) for number in itertools.count())

    return await measured(_calls(peers, _codes("peers_create"), series), scale)


async def _updates(peers: Peers, scale: Scale) -> dict[str, Values]:
    def series() -> Any:
        return ((1 + key, f"it says {key}") for key in keys(scale.rows))

    return await measured(_calls(peers, _codes("peers_update"), series), scale)


async def _lists(peers: Peers, count: int, scale: Scale) -> dict[str, Values]:
    def series() -> Any:
        return itertools.repeat((count,))

    return await measured(_calls(peers, _codes(f"peers_list_{count}"), series), scale)


async def _bulks(peers: Peers, scale: Scale) -> dict[str, dict[str, Values]]:
    rows = [values(number) for number in range(scale.bulk_rows)]
    found = {}
    for figure in ("peers_dicts", "peers_models"):
        codes = _codes(figure)
        fast = {name: codes[name] for name in ("raw", OURS, SQLITE)}
        slow = {name: codes[name] for name in codes if name not in fast}
        found[figure] = await with_slow(
            _calls(peers, fast, lambda: itertools.repeat((rows,))),
            _calls(peers, slow, lambda: itertools.repeat((rows[::TENTH],))),
            scale,
        )
    return found
