"""A bulk of a role that may make no temporary table sends its rows as arrays."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ARRAY, String, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import DuplicateKey
from andamios_orm.models import IntegerKeyMixin, Row, UTCDateTime
from andamios_orm.models.clock import now
from andamios_orm.repositories import GenericRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm import Session
    from andamios_orm.testing.lending import LentDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The table of these tests."""


class Plant(IntegerKeyMixin, Base):
    """A row with each kind of column that travels in a way of its own."""

    __tablename__ = "plants"

    name: Mapped[str] = mapped_column(String(20), unique=True)
    facts: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    colours: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    seen_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)


ROWS: list[dict[str, Any]] = [
    {"name": "oak", "facts": {"a": [1, None]}, "colours": ["a b", 'c"d', "{}"], "seen_at": now()},
    {"name": "ash", "facts": [[1], 2], "colours": ["a"], "seen_at": None},
    {"name": "elm", "facts": None, "colours": None, "seen_at": None},
    {"name": "fir", "facts": {}, "colours": [], "seen_at": now()},
]


@pytest.fixture
async def session(andamios_databases: LentDatabases) -> AsyncIterator[Session]:
    """Yield a session of a role that exists as long as the transaction does."""
    with andamios_databases.postgresql(Base.metadata) as database:
        async with database.session() as session:
            name = await session.scalar(text("SELECT current_database()"))
            for statement in (
                "CREATE ROLE andamios_test_limited",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO andamios_test_limited",
                "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO andamios_test_limited",
                f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC',
                "SET LOCAL ROLE andamios_test_limited",
            ):
                await session.execute(text(statement))
            yield session
            await session.rollback()


@pytest.fixture
def plants(session: Session) -> GenericRepository[Plant]:
    """Return the plants of the session."""
    return GenericRepository(session, Plant)


async def stored(plants: GenericRepository[Plant]) -> list[dict[str, Any]]:
    names = ("name", "facts", "colours", "seen_at")
    rows = await plants.query().order_by("id").all()
    return [{name: getattr(row, name) for name in names} for row in rows]


async def test_rows_arrive_as_they_were(plants: GenericRepository[Plant]) -> None:
    made = await plants.bulk_create(ROWS)

    assert await stored(plants) == ROWS
    assert len(made.ids) == 4


async def test_no_table_is_made_and_nothing_is_copied(
    session: Session, plants: GenericRepository[Plant]
) -> None:
    sent: list[str] = []
    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))

    await plants.bulk_create(ROWS)

    assert [statement for statement in sent if "CREATE" in statement] == []
    assert any("unnest(" in statement for statement in sent)


async def test_rows_are_changed_and_removed(plants: GenericRepository[Plant]) -> None:
    made = await plants.bulk_create(ROWS)
    oak, ash, elm, fir = made.ids

    changed = await plants.bulk_update([{"id": oak, "colours": ["x"]}, {"id": elm, "facts": {}}])
    upserted = await plants.bulk_upsert(
        [{"name": "fir", "facts": {"b": 1}}, {"name": "yew"}], match_fields=["name"]
    )
    removed = await plants.bulk_delete([elm, ash])

    assert (changed, removed) == (2, 2)
    assert (upserted.created, upserted.updated) == (1, 1)
    left = await stored(plants)
    assert [(row["name"], row["facts"], row["colours"]) for row in left] == [
        ("oak", {"a": [1, None]}, ["x"]),
        ("fir", {"b": 1}, []),
        ("yew", None, None),
    ]
    assert fir in {row.id for row in await plants.list()}


async def test_a_rule_that_is_broken_is_named(plants: GenericRepository[Plant]) -> None:
    with pytest.raises(DuplicateKey):
        await plants.bulk_create([{"name": "oak"}, {"name": "oak"}])
