"""Data migrations: rows changed in batches, resumed where they stopped."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import pytest
import sqlalchemy as sa

from andamios_orm.exceptions import ConfigurationError, MigrationFailed, MigrationRefused
from andamios_orm.migration import Batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.migration import MigrationManager, Step

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]

Manage: TypeAlias = "Callable[..., MigrationManager]"

HEAD = '''
"""{id} of it."""
import sqlalchemy as sa
from alembic import op
from andamios_orm.migration import Batches
revision = {id!r}
down_revision = {after!r}
branch_labels = None
depends_on = None
'''
CREATE = """
def upgrade():
    table = op.create_table(
        "person",
        sa.Column("id", sa.{type}, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String),
        sa.Column("slug", sa.String),
    )
    op.bulk_insert(table, [dict(id={key}, name="N" + str(n)) for n in range(1, 26)])

def downgrade():
    op.drop_table("person")
"""
SQL = """
upgrade = Batches("person", "id", "UPDATE person SET slug = lower(name) WHERE {range}", size=10)
downgrade = Batches("person", "id", "UPDATE person SET slug = NULL WHERE {range}", size=10)
"""
FUNCTION = """
def work(connection, after, until):
    low = "" if after is None else f"id > {after} AND "
    connection.execute(sa.text(f"UPDATE person SET slug = lower(name) WHERE {low} id <= {until}"))
    if until >= STOP:
        raise RuntimeError("the plug was pulled")

upgrade = Batches("person", "id", work, size=10)

def downgrade():
    pass
"""


def write(manager: MigrationManager, body: str, **create: Any) -> MigrationManager:
    """Write the revision that makes the rows, and the one that changes them."""
    values = {"type": "Integer", "key": "n", **create}
    versions = manager.folder.path / "versions"
    first = CREATE.replace("{type}", values["type"]).replace("{key}", values["key"])
    (versions / "a1.py").write_text(HEAD.format(id="a1", after=None) + first)
    (versions / "b2.py").write_text(HEAD.format(id="b2", after="a1") + body)
    return manager


async def slugs(database: Database) -> int:
    async with database.engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM person WHERE slug = lower(name)")
        return int(await connection.scalar(query) or 0)


async def tables(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        return sorted(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


@pytest.mark.slow
async def test_all_rows_are_changed_batch_by_batch_up_and_down(
    database: Database, manage: Manage
) -> None:
    told: list[Step] = []
    manager = write(manage(sa.MetaData(), progress=told.append), SQL)

    await manager.upgrade()

    assert await slugs(database) == 25
    assert [str(step) for step in told] == [
        "upgrade a1 a1 of it",
        "upgrade b2 b2 of it (10 of 25 rows)",
        "upgrade b2 b2 of it (20 of 25 rows)",
        "upgrade b2 b2 of it (25 of 25 rows)",
        "upgrade b2 b2 of it",
    ]
    assert await tables(database) == ["alembic_version", "person"]
    await manager.downgrade()
    assert await slugs(database) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("type_", "key"),
    [
        ("String", "f'{n:03}'"),
        ("Uuid", "__import__('uuid').UUID(int=n)"),
        ("Date", "__import__('datetime').date(2026, 1, n)"),
        ("DateTime", "__import__('datetime').datetime(2026, 1, n, 1, 2, 3)"),
    ],
)
async def test_keys_of_many_types_are_resumed(
    database: Database, manage: Manage, type_: str, key: str
) -> None:
    manager = write(manage(sa.MetaData()), SQL, type=type_, key=key)

    await manager.upgrade()

    assert await slugs(database) == 25


async def test_a_stopped_migration_goes_on_behind_its_last_batch(
    database: Database, manage: Manage
) -> None:
    manager = write(manage(sa.MetaData()), FUNCTION.replace("STOP", "20"))
    with pytest.raises(MigrationFailed, match="RuntimeError: the plug was pulled"):
        await manager.upgrade()
    assert await slugs(database) == 10
    assert await tables(database) == ["alembic_version", "alembic_version_progress", "person"]
    assert await manager.check() != ()
    told: list[Step] = []
    manager.progress = told.append
    write(manager, FUNCTION.replace("STOP", "99_999"))

    await manager.upgrade()

    assert [(step.done, step.total) for step in told] == [(20, 25), (25, 25), (0, 0)]
    assert await slugs(database) == 25
    assert await tables(database) == ["alembic_version", "person"]


async def test_rows_that_came_after_the_first_revision_are_changed_as_well(
    database: Database, manage: Manage
) -> None:
    manager = write(manage(sa.MetaData()), SQL)
    await manager.upgrade("a1")
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO person (id, name) VALUES (100, 'Late')"))

    await manager.upgrade()

    assert await slugs(database) == 26


@pytest.mark.slow
async def test_a_table_without_rows_is_done_at_once(database: Database, manage: Manage) -> None:
    manager = write(manage(sa.MetaData()), SQL)
    await manager.upgrade("a1")
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("DELETE FROM person"))

    await manager.upgrade()

    assert [each.id for each in await manager.current()] == ["b2"]


async def test_a_dry_run_leaves_the_rows_and_sql_is_one_statement(
    database: Database, manage: Manage
) -> None:
    manager = write(manage(sa.MetaData()), SQL)
    await manager.upgrade("a1")

    assert [step.revision.id for step in await manager.dry_run()] == ["b2"]
    assert await slugs(database) == 0
    assert "UPDATE person SET slug = lower(name) WHERE TRUE;" in await manager.sql(start="a1")


async def test_a_function_has_no_sql(manage: Manage) -> None:
    manager = write(manage(sa.MetaData()), FUNCTION.replace("STOP", "99"))

    with pytest.raises(MigrationFailed, match="a function have no SQL to print"):
        await manager.sql(start="a1")


async def test_alembic_itself_runs_all_of_it_at_once(database: Database, manage: Manage) -> None:
    from alembic.operations import Operations

    manager = write(manage(sa.MetaData()), SQL)
    await manager.upgrade("a1")

    def run(connection: sa.Connection) -> None:
        with Operations.context(manager.target.context(connection)):
            Batches("person", "id", "UPDATE person SET slug = lower(name) WHERE {range}", size=7)()

    async with database.engine.begin() as connection:
        await connection.run_sync(run)

    assert await slugs(database) == 25


async def test_a_missing_key_and_one_that_cannot_be_marked_are_named(
    database: Database, manage: Manage
) -> None:
    manager = write(manage(sa.MetaData()), SQL.replace('"id"', '"nokey"'))
    with pytest.raises(MigrationFailed, match=r"go by person.nokey: there is no such column"):
        await manager.upgrade()

    write(manager, SQL, type="Time", key="__import__('datetime').time(1, n)")
    await manager.downgrade("base")
    with pytest.raises(MigrationRefused, match="cannot go by a key of type time"):
        await manager.upgrade()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"work": "UPDATE t SET a = 1 WHERE {range}", "size": 0}, "at least one row"),
        ({"work": "UPDATE t SET a = 1"}, r"write WHERE \{range\}"),
    ],
)
def test_batches_that_make_no_sense_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Batches("t", "id", **arguments)


async def test_marks_of_other_revisions_are_left_alone(database: Database) -> None:
    from andamios_orm.migration.batches import Progress

    progress = Progress("marks")

    def work(connection: sa.Connection) -> tuple[Any, ...]:
        progress.write(connection, "a1", "upgrade", 7, 70)
        other = progress.read(connection, "b2", "upgrade")
        progress.clear(connection, "b2", "upgrade")
        return other, progress.read(connection, "a1", "upgrade")

    async with database.engine.begin() as connection:
        found = await connection.run_sync(work)

    assert found == ((None, 0), (7, 70))


def test_marks_are_read_as_they_were() -> None:
    from andamios_orm.migration.batches import _KINDS

    for value in (
        7,
        "seven",
        UUID(int=7),
        dt.date(2026, 1, 7),
        dt.datetime(2026, 1, 7, 8, 9, tzinfo=dt.UTC),
    ):
        text = value.isoformat() if isinstance(value, dt.date) else str(value)
        assert _KINDS[type(value).__name__](text) == value
