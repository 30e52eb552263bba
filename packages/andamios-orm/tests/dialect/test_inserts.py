from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from duckdb_sqlalchemy.datatypes import Union
from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    event,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import create_async_engine

from andamios_orm.dialect.inserts import _hides_placeholder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = [pytest.mark.integration, pytest.mark.db]

ROWS = 12_000
metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("weight", Float),
)
tagged = Table(
    "tagged",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tags", Union({"a": Integer, "b": String})),
)
ordered = Table(
    "ordered",
    metadata,
    Column("id", Integer, Sequence("orders"), primary_key=True),
    Column("name", String),
)


@pytest.fixture
async def engine(andamios_memory_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine whose database works with several threads."""
    engine = create_async_engine(andamios_memory_url, threads=4)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


async def statements(engine: AsyncEngine, statement: Any, rows: list[dict[str, Any]]) -> list[str]:
    """Return the texts that an insert of many rows sends."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        sent.append(text)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    async with engine.begin() as connection:
        await connection.execute(statement, rows)
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    return [text for text in sent if text.startswith("INSERT")]


@pytest.mark.slow
async def test_returned_rows_are_in_the_order_of_the_input(engine: AsyncEngine) -> None:
    rows = [{"name": f"n{(number * 7919) % ROWS}", "weight": number / 3} for number in range(ROWS)]
    statement = insert(things).returning(things.c.id, things.c.name, things.c.weight)

    async with engine.begin() as connection:
        returned = (await connection.execute(statement, rows)).all()

    assert [(row.name, row.weight) for row in returned] == [
        (row["name"], row["weight"]) for row in rows
    ]
    assert [row.id for row in returned] == list(range(1, ROWS + 1))


@pytest.mark.slow
async def test_many_rows_are_few_statements(engine: AsyncEngine) -> None:
    rows = [{"name": f"n{number}"} for number in range(ROWS)]

    sent = await statements(engine, insert(things), rows)

    assert len(sent) == 3
    assert all("unnest($1::JSON::VARCHAR[])" in text for text in sent)


async def test_a_key_from_a_sequence_goes_by_column_as_well(engine: AsyncEngine) -> None:
    rows = [{"name": "a"}, {"name": "b"}]

    [text] = await statements(engine, insert(ordered).returning(ordered.c.id), rows)

    assert "unnest" in text
    assert "nextval('orders')" in text


def test_what_looks_like_a_placeholder_inside_a_name_is_seen() -> None:
    assert _hides_placeholder("$1, nextval('a$2')")
    assert not _hides_placeholder("$1, nextval('it''s'), $2")


async def test_a_column_that_cannot_be_a_list_goes_row_by_row(engine: AsyncEngine) -> None:
    rows: list[dict[str, Any]] = [{"tags": 1}, {"tags": "b"}]

    sent = await statements(engine, insert(tagged), rows)

    assert all("unnest" not in text for text in sent)
    async with engine.connect() as connection:
        tags = (await connection.scalars(select(tagged.c.tags).order_by(tagged.c.id))).all()
    assert tags == [1, "b"]


async def test_an_upsert_goes_by_column(engine: AsyncEngine) -> None:
    plain = upsert(things)
    statement = plain.on_conflict_do_update(
        index_elements=["id"], set_={"name": plain.excluded.name}
    ).returning(things.c.id)
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    await statements(engine, statement, rows)

    [text] = await statements(engine, statement, [{"id": 2, "name": "c"}, {"id": 3, "name": "d"}])

    assert "unnest" in text
    async with engine.connect() as connection:
        names = (await connection.scalars(select(things.c.name).order_by(things.c.id))).all()
    assert names == ["a", "c", "d"]


async def test_rows_of_defaults_alone_need_no_column(engine: AsyncEngine) -> None:
    sent = await statements(engine, insert(things).returning(things.c.id), [{}, {}])

    assert all("unnest" not in text for text in sent)
    async with engine.connect() as connection:
        assert (await connection.scalars(select(things.c.id).order_by(things.c.id))).all() == [1, 2]


async def test_a_single_row_is_sent_as_it_is(engine: AsyncEngine) -> None:
    [text] = await statements(engine, insert(things).returning(things.c.id), [{"name": "a"}])

    assert "unnest" not in text
