"""Sqitch and the runner write the same schema and the same registry, and take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from andamios_orm.exceptions import MigrationFailed
from axai_pg import migrations
from axai_pg.migrations.catalogue import describe
from axai_pg.utils.roles import prepare_database

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.slow]

FOURTH = "20261129_0004_topics"
SEVENTH = "20261129_0007_permissions"
REGISTRY = (
    """SELECT change_id, script_hash, change, project, note, planned_at, planner_name,
    planner_email FROM sqitch.changes ORDER BY committed_at""",
    "SELECT change_id, type, dependency, dependency_id FROM sqitch.dependencies ORDER BY 1, 3",
    "SELECT tag_id, tag, project, change_id, note, planned_at FROM sqitch.tags ORDER BY 1",
    "SELECT event, change_id, requires, conflicts, tags FROM sqitch.events ORDER BY committed_at",
    "SELECT project, uri FROM sqitch.projects",
    "SELECT version FROM sqitch.releases",
    """SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'sqitch' ORDER BY 1, ordinal_position""",
    """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'sqitch'::regnamespace AND contype <> 'n' ORDER BY 1, 2""",
)


def contents(url: str) -> tuple[str, list[Any]]:
    """Return the schema and the registry of a database."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return describe(connection), [connection.execute(each).fetchall() for each in REGISTRY]


def tagged(folder: Path) -> Path:
    """Return the folder, whose plan has a tag in the middle."""
    plan = folder / "sqitch.plan"
    lines = plan.read_text(encoding="utf-8").splitlines()
    place = next(at for at, line in enumerate(lines) if line.startswith(FOURTH))
    lines.insert(place + 1, "@v1 2026-11-29T13:00:00Z a planner <p@example.org> # The first")
    plan.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return folder


def test_both_leave_the_same_schema_and_the_same_registry(
    sqitch: Any, empty_url: str, andamios_postgres_databases: Any, folder: Path
) -> None:
    tagged(folder)
    other = andamios_postgres_databases.create()
    with psycopg.connect(other.replace("+psycopg", ""), autocommit=True) as connection:
        prepare_database(connection)

    done = sqitch(empty_url, "deploy", folder=folder)
    migrations.deploy(other, folder=folder)

    assert done.returncode == 0, done.stderr
    assert contents(empty_url) == contents(other)
    andamios_postgres_databases.drop(other)


def test_they_take_turns_on_one_database(sqitch: Any, empty_url: str, folder: Path) -> None:
    tagged(folder)
    steps = []

    steps.append(sqitch(empty_url, "deploy", "--to-change", FOURTH, folder=folder))
    deployed = migrations.deploy(empty_url, SEVENTH, folder=folder)
    steps.append(sqitch(empty_url, "deploy", folder=folder))
    whole = contents(empty_url)[0]
    steps.append(sqitch(empty_url, "verify", folder=folder))
    reverted = migrations.revert(empty_url, "@v1", folder=folder)
    steps.append(sqitch(empty_url, "revert", "-y", folder=folder))
    nothing = migrations.status(empty_url, folder=folder)
    migrations.deploy(empty_url, folder=folder)
    steps.append(sqitch(empty_url, "status", folder=folder))

    assert [(step.returncode, step.stderr) for step in steps] == [(0, "")] * len(steps)
    assert (len(deployed), len(reverted), nothing.current) == (3, 7, None)
    assert "up-to-date" in steps[-1].stdout
    assert contents(empty_url)[0] == whole
    events = migrations.log(empty_url, folder=folder)
    assert {event.committer.name for event in events} >= {"a tester"}
    assert len(events) == 11 + 11 + 11


def test_a_failing_verify_leaves_the_change_before_it_with_both(
    sqitch: Any, empty_url: str, folder: Path
) -> None:
    (folder / "verify" / f"{FOURTH}.sql").write_text("SELECT 1 / 0;\n", encoding="utf-8")

    failed = sqitch(empty_url, "deploy", folder=folder)
    after_sqitch = contents(empty_url)
    migrations.revert(empty_url, folder=folder)
    with pytest.raises(MigrationFailed):
        migrations.deploy(empty_url, folder=folder)

    assert failed.returncode != 0
    assert contents(empty_url)[0] == after_sqitch[0]
    assert contents(empty_url)[1][0] == after_sqitch[1][0]
    assert [event.kind for event in migrations.log(empty_url, limit=1, folder=folder)] == ["fail"]


def test_sqitch_waits_for_the_runner(sqitch: Any, empty_url: str) -> None:
    with psycopg.connect(empty_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(75474063)")
        refused = sqitch(empty_url, "deploy", "--lock-timeout", "1")

    assert refused.returncode != 0
    assert "another instance of sqitch" in refused.stderr.lower()
