"""The table of the data layer's benchmarks, with its contenders, and the same rows in each.

A document has a key, three indexes and a JSON column. Ours exists three times:
without feed, with it, and with feed and a parent to be checked. ``raw`` is the driver on
tables made by the same DDL; ``sync`` is duckdb-sqlalchemy as it comes on a sync engine.
"""

from __future__ import annotations

import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import orjson
from pydantic import BaseModel, Field
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Integer,
    Sequence,
    String,
    create_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.dialect.options import default_threads
from andamios_orm.models import IntegerKeyMixin, Row
from benchmarks.andamios_orm.contenders import SYNC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

__all__ = [
    "FOLDERS",
    "NAMES",
    "Base",
    "Contenders",
    "Document",
    "DocumentIn",
    "Filed",
    "Folder",
    "Given",
    "Stock",
    "StockBase",
    "Unrecorded",
    "bindable",
    "opened",
    "values",
]

Given = dict[str, Any]


class Base(Row, DeclarativeBase):
    """Our models."""


class Folder(IntegerKeyMixin, Base):
    """The parent of documents that are filed."""

    __tablename__ = "folder"

    name: Mapped[str]


class Columns(IntegerKeyMixin):
    """Ten columns, about 350 bytes."""

    name: Mapped[str] = mapped_column(String(255), index=True)
    content: Mapped[str] = mapped_column(String(5000))
    status: Mapped[str] = mapped_column(String(20), index=True)
    priority: Mapped[int]
    score: Mapped[float]
    public: Mapped[bool]
    settings: Mapped[dict[str, Any]]
    created_at: Mapped[dt.datetime] = mapped_column(DateTime(), index=True)
    updated_at: Mapped[dt.datetime] = mapped_column(DateTime())


class Unrecorded(Columns, Base):
    """A document whose changes nobody follows."""

    __tablename__ = "unrecorded"
    __feed__ = False


class Document(Columns, Base):
    """A document as it comes: every change leaves a record."""

    __tablename__ = "document"


class Filed(Columns, Base):
    """A document in a folder, which is looked up before each commit."""

    __tablename__ = "filed"

    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id"))


class StockBase(DeclarativeBase):
    """The models of others."""


class Stock(StockBase):
    """The same document for the stock dialect."""

    __tablename__ = "document"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"),  # which counts no other keys
        Sequence("document_id_seq"),
        primary_key=True,
    )
    name: Mapped[str] = mapped_column(String(255), index=True)
    content: Mapped[str] = mapped_column(String(5000))
    status: Mapped[str] = mapped_column(String(20), index=True)
    priority: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[float] = mapped_column(Double)
    public: Mapped[bool]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[dt.datetime] = mapped_column(index=True)
    updated_at: Mapped[dt.datetime]


class DocumentIn(BaseModel):
    """What a new document has to be."""

    name: str = Field(min_length=1, max_length=255)
    content: str = Field(max_length=5000)
    status: Literal["draft", "active", "done"] = "draft"
    priority: int = Field(ge=0)
    score: float
    public: bool
    settings: dict[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime


NAMES = tuple(DocumentIn.model_fields)
"""The columns beside the key."""

STARTED = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - the columns are plain TIMESTAMPs
FOLDERS = 100
LOG = "1TB"
"""How long a log may grow: no contender writes it back before the end."""

FILL = """
INSERT INTO {table} ({names}{parent})
SELECT 'document ' || i, repeat('what it says ', 18), ['draft', 'active', 'done'][1 + i % 3],
    i % 5, i / 7, i % 11 = 0, '{{"framework":"FastAPI","parts":["web","data"],"pages":7}}',
    moment, moment{parent_value}
FROM (SELECT i, TIMESTAMP '2024-01-01' + to_seconds(60 * i) AS moment FROM range({rows}) AS r (i))
"""
SCHEMA = """
SELECT sql FROM duckdb_sequences()
UNION ALL SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_indexes()
"""


@dataclass(frozen=True, slots=True)
class Contenders:
    """Open databases with equal tables and rows."""

    raw: duckdb.DuckDBPyConnection
    sync: Engine
    database: Database
    rows: int


@asynccontextmanager
async def opened(folder: Path | None, *, rows: int) -> AsyncIterator[Contenders]:
    """Yield the contenders on files in ``folder``, or in memory, with ``rows`` in each table.

    None of them writes its log back meanwhile: whoever happened to be next when the log was
    full would pay for all others.
    """
    threads = default_threads()
    files = [":memory:"] * 2
    ours = "duckdb:///:memory:documents"
    if folder is not None:
        files = [str(folder / f"{name}.duckdb") for name in ("raw", "sync")]
        ours = f"duckdb:///{folder / 'ours.duckdb'}"
    config: dict[str, Any] = {"threads": str(threads), "checkpoint_threshold": LOG}
    raw = duckdb.connect(files[0], config=config)
    sync = create_engine(f"{SYNC}:///{files[1]}", connect_args={"config": config})
    async with Database(ours, threads=threads, checkpoint_threshold=LOG) as database:
        contenders = Contenders(raw, sync, database, rows)
        try:
            await _fill(contenders)
            yield contenders
        finally:
            sync.dispose()
            raw.close()


async def _fill(contenders: Contenders) -> None:
    """Give each the tables that ours makes, and the same rows."""
    async with contenders.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    with contenders.database.raw(write=True) as ours:
        schema = [str(sql) for (sql,) in ours.execute(SCHEMA).fetchall()]
        rows = list(_rows(contenders.rows))
        for statement in rows:
            ours.execute(statement)
    for statement in (*schema, *rows):
        contenders.raw.execute(statement)
    with contenders.sync.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (*schema, *rows):
            connection.exec_driver_sql(statement)


def _rows(count: int) -> Iterator[str]:
    yield f"INSERT INTO folder (name) SELECT 'folder ' || i FROM range({FOLDERS}) AS r (i)"
    for table in ("unrecorded", "document", "filed"):
        filed = table == "filed"
        yield FILL.format(
            table=table,
            names=", ".join(NAMES),
            parent=", folder_id" if filed else "",
            parent_value=f", 1 + i % {FOLDERS}" if filed else "",
            rows=count,
        )
    yield "CHECKPOINT"


def values(number: int) -> Given:
    """Return the values of a new document, without its key."""
    moment = STARTED + dt.timedelta(seconds=number)
    return {
        "name": f"document {number}",
        "content": "what it says " * 18,
        "status": "draft",
        "priority": number % 5,
        "score": number / 7,
        "public": number % 11 == 0,
        "settings": {"framework": "FastAPI", "parts": ["web", "data"], "pages": number % 100},
        "created_at": moment,
        "updated_at": moment,
    }


def bindable(given: Given) -> Given:
    """Return ``given`` as the driver takes it: JSON as text."""
    return {**given, "settings": orjson.dumps(given["settings"]).decode()}
