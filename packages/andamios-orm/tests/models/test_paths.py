"""Names of files that would mean another place are refused, through every door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import BulkRefused, ValueRefused
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.models.paths import FileName, checked_name
from andamios_orm.repositories import GenericRepository

if TYPE_CHECKING:
    from andamios_orm.testing.lending import LentDatabases


class Base(Row, DeclarativeBase):
    """The table of these tests."""


class File(IntegerKeyMixin, Base):
    """A file."""

    __tablename__ = "files"

    name: Mapped[str | None] = mapped_column(FileName)


@pytest.mark.unit
@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", "a\\b", "c:a", "a\x00", "nul", "x" * 256])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueRefused, match="write the name of a file"):
        checked_name(name)


@pytest.mark.unit
def test_what_is_no_text_is_no_name() -> None:
    with pytest.raises(ValueRefused, match="the name of a file is text"):
        checked_name(7)


@pytest.mark.integration
@pytest.mark.db
async def test_a_column_takes_names_only(andamios_databases: LentDatabases) -> None:
    with andamios_databases.duckdb(Base.metadata) as database:
        files = GenericRepository(database, File)
        made = await files.create({"name": "plan.md"})

        with pytest.raises(BulkRefused):
            await files.bulk_create([{"name": "../plan.md"}])
        with pytest.raises(ValueRefused):
            async with database.transaction() as session:
                await session.execute(update(File).values(name="a/b"))

        assert (await files.get(made.id)).name == "plan.md"
