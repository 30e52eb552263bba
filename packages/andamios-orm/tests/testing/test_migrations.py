from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from andamios_orm.migration import MigrationManager
from andamios_orm.testing.migrations import (
    MigrationsDiffer,
    every_revision_up_down_up,
    migrations_match_models,
)

if TYPE_CHECKING:
    from pathlib import Path

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
Table("authors", METADATA, Column("id", Integer, primary_key=True), Column("name", String(9)))
Table(
    "books",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("author", Integer, ForeignKey("authors.id"), nullable=False),
)
UPGRADE_ONLY = """
from alembic import op

revision = "{id}"
down_revision = "{after}"


def upgrade() -> None:
    op.execute("CREATE TABLE left_behind (id INTEGER)")


def downgrade() -> None:
    pass
"""


async def written(database: Database, folder: Path) -> MigrationManager:
    """Return migrations with the one revision that leads to the models."""
    manager = MigrationManager(database, METADATA, folder / "migrations", backup="never")
    manager.init()
    await manager.revision("create all")
    return manager


@pytest.mark.slow
async def test_migrations_that_lead_to_the_models_pass(database: Database, tmp_path: Path) -> None:
    manager = await written(database, tmp_path)

    await every_revision_up_down_up(manager)
    await migrations_match_models(manager)

    assert await manager.pending() == ()


async def test_models_that_have_more_are_listed(duckdb_database: Database, tmp_path: Path) -> None:
    manager = MigrationManager(duckdb_database, METADATA, tmp_path / "migrations")
    manager.init()

    with pytest.raises(MigrationsDiffer, match="do not lead to the models:\n- ") as caught:
        await migrations_match_models(manager)

    assert len(caught.value.differences) >= 2


@pytest.mark.slow
async def test_a_downgrade_that_undoes_too_little_is_found(
    duckdb_database: Database, tmp_path: Path
) -> None:
    manager = await written(duckdb_database, tmp_path)
    (first,) = manager.history()
    second = await manager.revision("more", empty=True)
    assert second is not None
    second.path.write_text(UPGRADE_ONLY.format(id=second.id, after=first.id))

    with pytest.raises(MigrationsDiffer, match="is not undone by its downgrade") as caught:
        await every_revision_up_down_up(manager)

    assert "in addition: table left_behind" in caught.value.differences
