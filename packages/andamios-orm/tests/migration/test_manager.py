"""Migrations as a program runs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import sqlalchemy as sa

from andamios_orm import Database
from andamios_orm import run as run_in_loop
from andamios_orm.exceptions import (
    CommitOutcomeUnknown,
    MigrationFailed,
    MigrationLocked,
    MigrationRefused,
    MissingTable,
    NotNullViolation,
    RevisionsPending,
    RevisionUnknown,
    TransactionAborted,
)
from andamios_orm.migration import MigrationManager, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]

Manage: TypeAlias = "Callable[..., MigrationManager]"

HEAD = '''
"""{message}"""
import sqlalchemy as sa
from alembic import op
revision = {id!r}
down_revision = {after!r}
branch_labels = None
depends_on = None
'''


def shelf() -> sa.MetaData:
    """Return one table."""
    metadata = sa.MetaData()
    sa.Table(
        "shelf", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer)
    )
    return metadata


def write(
    manager: MigrationManager,
    name: str,
    up: str,
    down: str = "pass",
    after: str | tuple[str, ...] | None = None,
) -> None:
    """Write a revision by hand."""
    head = HEAD.format(id=name, after=after, message=f"what {name} does.")
    body = f"def upgrade():\n    {up}\n\ndef downgrade():\n    {down}\n"
    (manager.folder.path / "versions" / f"{name}.py").write_text(f"{head}\n\n{body}")


CREATE = (
    'op.create_table("shelf", sa.Column("id", sa.Integer, primary_key=True), '
    'sa.Column("n", sa.Integer))'
)
DROP = 'op.drop_table("shelf")'


def two(manager: MigrationManager) -> MigrationManager:
    """Return a manager with two revisions."""
    write(manager, "a1", CREATE, DROP)
    write(
        manager,
        "b2",
        'op.execute("INSERT INTO shelf VALUES (1, 2)")',
        'op.execute("DELETE FROM shelf")',
        "a1",
    )
    return manager


async def ids(found: Any) -> list[str]:
    return [each.id for each in (await found if asyncio.iscoroutine(found) else found)]


async def rows(database: Database) -> list[Any]:
    async with database.engine.connect() as connection:
        found = await connection.execute(sa.text("SELECT id, n FROM shelf ORDER BY id"))
        return [tuple(row) for row in found]


# ---- the folder ------------------------------------------------------------------------


async def test_init_makes_a_folder_and_leaves_what_is_there(manage: Manage, tmp_path: Path) -> None:
    manager = manage(shelf())

    assert manager.history() == ()
    with pytest.raises(MigrationRefused, match="no empty folder"):
        manager.init()


async def test_a_missing_folder_is_named(database: Database, tmp_path: Path) -> None:
    manager = MigrationManager(database, shelf(), tmp_path / "nowhere")

    with pytest.raises(MigrationRefused, match=r"no migrations in .*nowhere: begin them with init"):
        await manager.upgrade()


async def test_history_and_heads_are_those_of_the_folder(manage: Manage) -> None:
    manager = two(manage(shelf()))

    assert [(each.id, each.after, each.is_head) for each in manager.history()] == [
        ("a1", (), False),
        ("b2", ("a1",), True),
    ]
    assert [str(each) for each in manager.heads()] == ["b2 what b2 does"]


async def test_the_base_is_no_revision(manage: Manage) -> None:
    scripts = two(manage(shelf())).folder.scripts()

    assert scripts.find("b2").id == "b2"
    with pytest.raises(RevisionUnknown, match="'base'; there are: a1, b2"):
        scripts.find("base")


@pytest.mark.slow
async def test_an_empty_revision_is_written_without_a_look_at_the_models(manage: Manage) -> None:
    manager = manage(shelf())

    revision = await manager.revision("by hand", empty=True)

    assert revision is not None
    assert revision.path.read_text().startswith('"""by hand."""\n\nimport sqlalchemy as sa\n')
    assert await ids(manager.upgrade()) == [revision.id]
    assert (await manager.check())[0].place == "shelf"


async def test_a_revision_is_not_made_from_a_database_that_is_behind(manage: Manage) -> None:
    manager = two(manage(shelf()))

    with pytest.raises(RevisionsPending, match="at no revision, the newest is b2") as nothing:
        await manager.revision("more")
    await manager.upgrade("a1")
    with pytest.raises(RevisionsPending, match="at a1, the newest is b2: upgrade it") as behind:
        await manager.revision("more")

    assert (nothing.value.current, nothing.value.pending) == ((), ("a1", "b2"))
    assert (behind.value.current, behind.value.pending) == (("a1",), ("b2",))


async def test_a_revision_is_not_made_behind_two_heads(manage: Manage) -> None:
    manager = two(manage(shelf()))
    write(manager, "c3", "pass", after="a1")

    with pytest.raises(MigrationRefused, match=r"several newest revisions .*: merge them first"):
        await manager.revision("more", empty=True)


async def test_models_may_be_bases_and_several(manage: Manage) -> None:
    from sqlalchemy.orm import DeclarativeBase

    class Base(DeclarativeBase):
        pass

    sa.Table("box", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
    manager = manage([shelf(), Base])
    await manager.revision("both")

    await manager.upgrade()

    assert await manager.check() == ()


# ---- up and down -------------------------------------------------------------------------


async def test_upgrade_runs_what_is_pending_and_downgrade_undoes_it(
    database: Database, manage: Manage
) -> None:
    manager = two(manage(shelf()))

    assert await ids(manager.current()) == []
    assert await ids(manager.pending()) == ["a1", "b2"]
    assert await ids(manager.upgrade("a1")) == ["a1"]
    assert await ids(manager.upgrade()) == ["b2"]
    assert await ids(manager.upgrade()) == []
    assert await rows(database) == [(1, 2)]
    assert await ids(manager.downgrade()) == ["b2"]
    assert await ids(manager.current()) == ["a1"]
    assert await ids(manager.downgrade("base")) == ["a1"]
    assert await ids(manager.current()) == []


@pytest.mark.slow
async def test_relative_steps_go_as_far_as_they_say(manage: Manage) -> None:
    manager = two(manage(shelf()))

    assert await ids(manager.upgrade("+1")) == ["a1"]
    assert await ids(manager.upgrade("+1")) == ["b2"]
    assert await ids(manager.downgrade("-2")) == ["b2", "a1"]
    with pytest.raises(MigrationRefused, match="Relative revision"):
        await manager.downgrade("-1")
    with pytest.raises(MigrationRefused, match="Relative revision"):
        await manager.upgrade("+7")


async def test_one_of_two_branches_is_undone_by_its_name(manage: Manage) -> None:
    manager = two(manage(shelf()))
    write(manager, "c3", "pass", after="a1")
    write(manager, "d4", "pass", after="c3")
    await manager.upgrade("heads")

    assert await ids(manager.downgrade("d4@-2")) == ["d4", "c3"]
    assert await ids(manager.current()) == ["b2"]
    await manager.upgrade("heads")
    with pytest.raises(MigrationRefused, match="name the revision to go down to"):
        await manager.downgrade("-1")


@pytest.mark.slow
async def test_down_from_a_merge_wants_a_name(manage: Manage) -> None:
    manager = two(manage(shelf()))
    write(manager, "c3", "pass", after="a1")
    write(manager, "d4", "pass", after=("b2", "c3"))
    await manager.upgrade()

    with pytest.raises(MigrationRefused, match="several ways lead on from here: name"):
        await manager.downgrade("-1")


@pytest.mark.parametrize("way", ["upgrade", "downgrade", "stamp", "dry_run", "sql"])
async def test_an_unknown_revision_is_named_with_those_there_are(manage: Manage, way: str) -> None:
    manager = two(manage(shelf()))
    await manager.upgrade("a1")

    with pytest.raises(RevisionUnknown, match=r"'zz'; there are: b2, a1") as refused:
        await getattr(manager, way)("zz")
    assert (refused.value.name, refused.value.known) == ("zz", ("b2", "a1"))


async def test_a_revision_on_the_other_side_is_refused(manage: Manage) -> None:
    manager = two(manage(shelf()))
    await manager.upgrade("a1")

    with pytest.raises(MigrationRefused, match="not on the way"):
        await manager.downgrade("b2")


@pytest.mark.slow
async def test_a_database_of_another_folder_is_refused(manage: Manage, tmp_path: Path) -> None:
    manager = two(manage(shelf()))
    await manager.upgrade()
    (manager.folder.path / "versions" / "b2.py").unlink()

    with pytest.raises(RevisionUnknown, match="no revision is called 'b2'; there are: a1"):
        await manager.current()
    with pytest.raises(RevisionUnknown, match="b2"):
        await manager.upgrade()


async def test_stamp_only_says_where_the_database_is(database: Database, manage: Manage) -> None:
    manager = two(manage(shelf()))

    assert await ids(manager.stamp("a1")) == ["a1"]
    assert await ids(manager.pending()) == ["b2"]
    with pytest.raises(MissingTable):
        await rows(database)


@pytest.mark.slow
async def test_the_version_may_be_kept_elsewhere(database: Database, manage: Manage) -> None:
    manager = two(manage(shelf(), version_table="versions"))

    await manager.upgrade()

    async with database.engine.connect() as connection:
        at = await connection.scalar(sa.text("SELECT version_num FROM versions"))
    assert at == "b2"
    assert await manager.check() == ()


@pytest.mark.slow
async def test_it_is_run_by_a_program_without_a_loop_of_its_own(
    duckdb_url: str, tmp_path: Path
) -> None:
    def program() -> list[str]:
        async def migrate() -> list[str]:
            async with Database(duckdb_url) as database:
                manager = MigrationManager(database, shelf(), tmp_path / "migrations")
                manager.init()
                two(manager)
                return await ids(manager.upgrade())

        return run_in_loop(migrate())

    assert await asyncio.to_thread(program) == ["a1", "b2"]


# ---- failures ------------------------------------------------------------------------------


async def test_a_failed_revision_leaves_the_one_before_it(
    database: Database, manage: Manage
) -> None:
    manager = two(manage(shelf()))
    write(
        manager,
        "c3",
        'op.add_column("shelf", sa.Column("m", sa.Integer, nullable=False))',
        after="b2",
    )

    with pytest.raises(
        MigrationFailed, match=r"upgrade of revision c3 \(.*c3.py\) failed"
    ) as failed:
        await manager.upgrade()

    assert isinstance(failed.value.__cause__, NotNullViolation)
    assert (failed.value.revision, failed.value.direction) == ("c3", "upgrade")
    assert await ids(manager.current()) == ["b2"]
    assert await rows(database) == [(1, 2)]


async def test_an_error_of_python_is_told_like_one_of_the_database(manage: Manage) -> None:
    manager = manage(shelf())
    write(manager, "a1", f"{CREATE}; 1 / 0")

    with pytest.raises(MigrationFailed, match=r"(?m)ZeroDivisionError: division by zero$"):
        await manager.upgrade()
    assert await ids(manager.current()) == []
    assert await ids(manager.pending()) == ["a1"]


@pytest.mark.slow
async def test_a_refusal_at_commit_names_the_revision(
    duckdb_database: Database, tmp_path: Path
) -> None:
    manager = MigrationManager(duckdb_database, shelf(), tmp_path / "migrations")
    manager.init()
    two(manager)
    alter = 'op.execute("UPDATE shelf SET n = 3"); op.execute("ALTER TABLE shelf DROP COLUMN n")'
    write(manager, "c3", alter, after="b2")

    with pytest.raises(MigrationFailed, match="upgrade of revision c3") as failed:
        await manager.upgrade()

    assert isinstance(failed.value.__cause__, TransactionAborted)
    assert await rows(duckdb_database) == [(1, 2)]


async def test_an_unknown_outcome_stays_unknown(duckdb_database: Database, tmp_path: Path) -> None:
    manager = MigrationManager(duckdb_database, shelf(), tmp_path / "migrations")
    manager.init()
    two(manager)

    def cut(_connection: sa.Connection) -> None:
        raise CommitOutcomeUnknown("the connection broke")

    sa.event.listen(duckdb_database.engine.sync_engine, "commit", cut)

    with pytest.raises(CommitOutcomeUnknown):
        await manager.upgrade()


@pytest.mark.parametrize("said", [True, False])
async def test_a_revision_may_say_itself_whether_it_destroys(
    duckdb_database: Database, tmp_path: Path, *, said: bool
) -> None:
    manager = MigrationManager(duckdb_database, shelf(), tmp_path / "migrations")
    manager.init()
    two(manager)
    for name in ("a1", "b2"):
        path = manager.folder.path / "versions" / f"{name}.py"
        path.write_text(f"{path.read_text()}\ndestructive = {said}\n")

    await manager.upgrade()
    await manager.downgrade("base")

    assert len(copies(duckdb_database)) == (4 if said else 0)


# ---- before it is done ---------------------------------------------------------------------


async def test_a_dry_run_shows_the_statements_and_changes_nothing(
    database: Database, manage: Manage
) -> None:
    manager = two(manage(shelf()))

    steps = await manager.dry_run()

    assert [str(step) for step in steps] == ["upgrade a1 what a1 does", "upgrade b2 what b2 does"]
    assert "INSERT INTO shelf VALUES (1, 2)" in steps[1].statements
    assert await ids(manager.current()) == []
    with pytest.raises(MissingTable):
        await rows(database)


async def test_a_dry_run_goes_down_as_well(database: Database, manage: Manage) -> None:
    manager = two(manage(shelf()))
    await manager.upgrade()

    steps = await manager.dry_run("base", down=True)

    assert [step.revision.id for step in steps] == ["b2", "a1"]
    assert await rows(database) == [(1, 2)]


@pytest.mark.slow
async def test_the_sql_is_printed_without_a_database(database: Database, manage: Manage) -> None:
    manager = two(manage(shelf()))

    printed = await manager.sql(start="a1")

    assert "INSERT INTO shelf VALUES (1, 2);" in printed
    assert "CREATE TABLE" not in printed
    assert "CREATE TABLE shelf" in await manager.sql()
    assert await ids(manager.current()) == []


async def test_a_revision_that_looks_at_the_database_has_no_sql(manage: Manage) -> None:
    manager = manage(shelf())
    write(manager, "a1", 'op.get_bind().execute(sa.text("SELECT 1")).scalar_one()')

    with pytest.raises(MigrationFailed, match="revision a1"):
        await manager.sql()


# ---- several at once ------------------------------------------------------------------------


async def test_of_many_that_migrate_at_once_each_revision_is_run_by_one(
    database: Database, manage: Manage
) -> None:
    manager = two(manage(shelf()))

    done = await asyncio.gather(*(manager.upgrade() for _ in range(5)))

    assert sorted(each.id for found in done for each in found) == ["a1", "b2"]
    assert await rows(database) == [(1, 2)]


@pytest.mark.slow
async def test_another_migrator_on_postgresql_is_named(
    postgres_url: str, through_driver: Callable[[str], str], tmp_path: Path
) -> None:
    async with Database(through_driver(postgres_url)) as database:
        manager = MigrationManager(database, shelf(), tmp_path / "migrations", patience=0.1)
        manager.init()
        two(manager)
        async with database.engine.connect() as other:
            await turns.lock(other, 0)
            at = await other.scalar(sa.text("SELECT pg_backend_pid()"))

            with pytest.raises(
                MigrationLocked, match=rf"process {at} of .* migrates this"
            ) as locked:
                await manager.upgrade()

        assert locked.value.seconds == 0.1
        assert await ids(manager.upgrade()) == ["a1", "b2"]


async def test_progress_is_told_after_each_revision(manage: Manage) -> None:
    told: list[str] = []
    manager = two(manage(shelf(), progress=lambda step: told.append(str(step))))

    await manager.upgrade()
    await manager.downgrade()

    assert told == [
        "upgrade a1 what a1 does",
        "upgrade b2 what b2 does",
        "downgrade b2 what b2 does",
    ]


# ---- backups ---------------------------------------------------------------------------------


def copies(database: Database) -> list[str]:
    from pathlib import Path

    path = Path(str(database.engine.url.database))
    return sorted(
        each.name.replace(path.stem, "") for each in path.parent.glob(f"{path.stem}.before*")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("destructive", [".before-downgrade-a1.duckdb", ".before-downgrade-b2.duckdb"]),
        ("never", []),
        (
            "always",
            [
                ".before-downgrade-a1.duckdb",
                ".before-downgrade-b2.duckdb",
                ".before-upgrade-a1.duckdb",
                ".before-upgrade-b2.duckdb",
            ],
        ),
    ],
)
async def test_a_duckdb_file_is_copied_before_it_loses_something(
    duckdb_database: Database, tmp_path: Path, when: Any, expected: list[str]
) -> None:
    manager = MigrationManager(duckdb_database, shelf(), tmp_path / "migrations", backup=when)
    manager.init()
    two(manager)

    await manager.upgrade()
    await manager.downgrade("base")

    assert copies(duckdb_database) == expected


@pytest.mark.slow
async def test_copies_of_the_same_moment_are_told_apart(
    duckdb_database: Database, tmp_path: Path
) -> None:
    manager = MigrationManager(duckdb_database, shelf(), tmp_path / "migrations")
    manager.init()
    two(manager)
    for _ in range(2):
        await manager.upgrade()
        await manager.downgrade()

    assert copies(duckdb_database) == [
        ".before-downgrade-b2-2.duckdb",
        ".before-downgrade-b2.duckdb",
    ]
    path = str(duckdb_database.engine.url.database).replace(
        ".duckdb", ".before-downgrade-b2.duckdb"
    )
    async with Database(f"duckdb:///{path}") as copy:
        assert await rows(copy) == [(1, 2)]


@pytest.mark.slow
async def test_a_memory_database_has_no_file_to_copy(
    andamios_memory_url: str, tmp_path: Path
) -> None:
    async with Database(andamios_memory_url) as database:
        manager = MigrationManager(database, shelf(), tmp_path / "migrations", backup="always")
        manager.init()
        two(manager)

        await manager.upgrade()

        assert await rows(database) == [(1, 2)]
