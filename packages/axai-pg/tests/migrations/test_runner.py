from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from andamios_orm.exceptions import (
    DatabaseUnavailable,
    MigrationFailed,
    MigrationLocked,
    MigrationRefused,
    RevisionUnknown,
)
from axai_pg import migrations
from axai_pg.migrations.catalogue import describe
from axai_pg.migrations.runner import Runner
from axai_pg.utils.roles import ensure_roles, prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from andamios_orm.testing.databases import PostgresDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

NAMES = [change.name for change in migrations.read_plan().changes]


@pytest.fixture(scope="module")
def url(andamios_postgres_databases: PostgresDatabases) -> Iterator[str]:
    """Yield the URL of a database that is empty again after each test."""
    url = andamios_postgres_databases.create()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        ensure_roles(connection)
        prepare_database(connection)
    yield url
    andamios_postgres_databases.drop(url)


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP SCHEMA IF EXISTS sqitch CASCADE")
        connection.execute("DROP TABLE IF EXISTS one, two, three CASCADE")
        for name in tables(connection):
            connection.execute(f"DROP TABLE {name} CASCADE")
        found = connection.execute(
            "SELECT function.oid::regprocedure::text FROM pg_proc AS function"
            " WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS"
            " (SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e')"
        ).fetchall()
        for (name,) in found:
            connection.execute(f"DROP ROUTINE {name} CASCADE")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a plan of two changes that need no role."""
    folder = tmp_path / "small"
    for name in ("deploy", "revert", "verify"):
        (folder / name).mkdir(parents=True)
    (folder / "sqitch.plan").write_text(
        "%syntax-version=1.0.0\n%project=small\n\n# two changes\n"
        "one 2026-01-01T00:00:00Z A <a@example.org> # The first\n"
        "two [one !three] 2026-01-02T00:00:00Z A <a@example.org>\n"
        "@v1 2026-01-02T00:00:00Z A <a@example.org>\n",
        encoding="utf-8",
    )
    for name in ("one", "two"):
        write(folder, "deploy", name, f"-- {name}\n\nBEGIN;\nCREATE TABLE {name} ();\nCOMMIT;\n")
        write(folder, "revert", name, f"BEGIN;\nDROP TABLE {name};\nCOMMIT;\n")
    return folder


def write(folder: Path, kind: str, name: str, text: str) -> None:
    (folder / kind / f"{name}.sql").write_text(text, encoding="utf-8")


def tables(connection: psycopg.Connection[Any]) -> list[str]:
    found = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    return [name for (name,) in found]


@pytest.mark.slow
def test_each_change_can_be_taken_back_and_made_again(
    connection: psycopg.Connection[Any],
) -> None:
    states = [describe(connection)]
    for name in NAMES:
        assert migrations.deploy(connection, name) == (name,)
        states.append(describe(connection))
        before = NAMES[NAMES.index(name) - 1] if name != NAMES[0] else None
        assert migrations.revert(connection, before) == (name,)
        assert describe(connection) == states[-2]
        migrations.deploy(connection, name)
        assert describe(connection) == states[-1]

    assert migrations.verify(connection) == ()
    assert migrations.revert(connection) == tuple(reversed(NAMES))
    assert describe(connection) == states[0]
    assert migrations.deploy(connection) == tuple(NAMES)
    assert describe(connection) == states[-1]


@pytest.mark.slow
def test_the_file_of_the_schema_is_what_the_changes_build(
    connection: psycopg.Connection[Any], shared_url: str, scripts: Path
) -> None:
    """If not: scripts/axai_schema.py --write."""
    text = (scripts.parent / "sql" / "schema" / "schema.sql").read_text(encoding="utf-8")
    with psycopg.connect(shared_url.replace("+psycopg", ""), autocommit=True) as built:
        assert describe(built) == text

    connection.execute(text)

    assert describe(connection) == text


@pytest.mark.slow
def test_tables_go_to_the_schema_that_is_named(empty_url: str) -> None:
    with psycopg.connect(empty_url.replace("+psycopg", ""), autocommit=True) as connection:
        prepare_database(connection, "papers")

        migrations.deploy(connection, schema="papers")

        assert tables(connection) == []
        assert migrations.verify(connection, schema="papers") == ()
        elsewhere = describe(connection, "papers")
        migrations.revert(connection, schema="papers")
        migrations.deploy(connection)
        assert describe(connection) == elsewhere


@pytest.mark.slow
def test_a_login_that_migrates_is_no_superuser(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET SESSION AUTHORIZATION axai_migrate")

    migrations.deploy(connection)
    migrations.revert(connection, NAMES[4])

    assert migrations.status(connection).current == NAMES[4]


def test_deploying_again_does_nothing(connection: psycopg.Connection[Any], small: Path) -> None:
    assert migrations.deploy(connection, folder=small) == ("one", "two")
    assert migrations.deploy(connection, folder=small) == ()
    assert migrations.deploy(connection, "two", folder=small) == ()


def test_the_status_tells_what_is_deployed_pending_and_changed(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    none = migrations.status(connection, folder=small)
    migrations.deploy(connection, "one", folder=small)
    write(small, "deploy", "one", "SELECT 1;\n")

    found = migrations.status(connection, folder=small)

    assert (none.current, none.pending) == (None, ("one", "two"))
    assert found == migrations.Status("small", ("one",), ("two",), ("one",))
    assert found.current == "one"


def test_the_log_has_what_was_done_newest_first(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    assert migrations.log(connection, folder=small) == []
    migrations.deploy(connection, folder=small)
    migrations.revert(connection, "one", folder=small)

    found = [(event.kind, event.change) for event in migrations.log(connection, folder=small)]

    assert found == [("revert", "two"), ("deploy", "two"), ("deploy", "one")]
    [newest] = migrations.log(connection, limit=1, folder=small)
    assert newest.committer == migrations.Committer("postgres", "postgres@localhost")


@pytest.mark.parametrize("kind", ["deploy", "verify"])
def test_a_script_that_fails_leaves_the_change_before_it(
    connection: psycopg.Connection[Any], small: Path, kind: str
) -> None:
    write(small, kind, "two", "BEGIN;\nCREATE TABLE three ();\nSELECT 1 / 0;\nCOMMIT;\n")

    with pytest.raises(MigrationFailed, match=f"the {kind} of revision two .*division by zero"):
        migrations.deploy(connection, folder=small)

    assert tables(connection) == ["one"]
    assert migrations.status(connection, folder=small).deployed == ("one",)
    [newest, *_] = migrations.log(connection, folder=small)
    assert (newest.kind, newest.change) == ("fail", "two")


def test_without_verify_a_change_is_not_looked_at(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    write(small, "verify", "two", "SELECT 1 / 0;\n")

    assert migrations.deploy(connection, verify=False, folder=small) == ("one", "two")
    [problem] = migrations.verify(connection, folder=small)
    assert problem == migrations.Problem("two", "division by zero")


def test_a_revert_that_fails_leaves_the_change(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    migrations.deploy(connection, folder=small)
    write(small, "revert", "one", "BEGIN;\nDROP TABLE one, three;\nCOMMIT;\n")

    with pytest.raises(MigrationFailed, match="the revert of revision one"):
        migrations.revert(connection, folder=small)

    assert tables(connection) == ["one"]
    assert migrations.status(connection, folder=small).deployed == ("one",)


def test_what_runs_in_no_transaction_is_a_script_without_a_frame(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    write(small, "deploy", "two", "CREATE INDEX CONCURRENTLY two ON pg_class (oid);\n")
    migrations.deploy(connection, "one", folder=small)
    connection.execute("ALTER TABLE one ADD COLUMN id int")
    write(small, "deploy", "two", "-- no frame\nCREATE INDEX CONCURRENTLY two ON one (id);\n")
    write(small, "revert", "two", "DROP INDEX CONCURRENTLY two;\n")

    migrations.deploy(connection, folder=small)
    made = connection.execute("SELECT to_regclass('two')::text").fetchone()
    migrations.revert(connection, "one", folder=small)

    assert made == ("two",)
    assert connection.execute("SELECT to_regclass('two')").fetchone() == (None,)


def test_a_script_without_a_frame_is_taken_back_when_it_does_not_verify(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    write(small, "deploy", "two", "CREATE TABLE two ();\n")
    write(small, "verify", "two", "SELECT 1 / 0;\n")

    with pytest.raises(MigrationFailed):
        migrations.deploy(connection, folder=small)

    assert tables(connection) == ["one"]


def test_a_script_without_a_frame_that_fails_has_left_nothing(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    write(small, "deploy", "two", "SELECT 1 / 0;\n")

    with pytest.raises(MigrationFailed, match="division by zero"):
        migrations.deploy(connection, folder=small)

    assert migrations.status(connection, folder=small).deployed == ("one",)


@pytest.mark.parametrize("kind", ["deploy", "verify", "revert"])
def test_a_script_that_would_end_its_transaction_is_refused_before_any_is_run(
    connection: psycopg.Connection[Any], small: Path, kind: str
) -> None:
    write(small, kind, "two", "BEGIN;\nSELECT 1;\nROLLBACK;\nBEGIN;\nCOMMIT;\n")

    with pytest.raises(MigrationRefused, match=rf"{kind}/two.sql, line 3: ROLLBACK would"):
        migrations.deploy(connection, folder=small)

    assert tables(connection) == []


@pytest.mark.parametrize("kind", ["verify", "revert"])
def test_a_script_that_has_come_to_end_its_transaction_is_refused(
    connection: psycopg.Connection[Any], small: Path, kind: str
) -> None:
    migrations.deploy(connection, folder=small)
    write(small, kind, "one", "BEGIN;\nCOMMIT; -- x\nDROP TABLE one;\nCOMMIT;\n")

    with pytest.raises(MigrationRefused, match=rf"{kind}/one.sql, line 2: COMMIT would"):
        getattr(migrations, kind)(connection, folder=small)

    assert tables(connection) == ["one", "two"]


def test_a_missing_script_is_named(connection: psycopg.Connection[Any], small: Path) -> None:
    (small / "revert" / "two.sql").unlink()
    migrations.deploy(connection, folder=small)

    with pytest.raises(MigrationRefused, match="two has no script to revert it"):
        migrations.revert(connection, folder=small)


def test_who_and_where_a_connection_is_stays(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    connection.execute("SET search_path = pg_catalog")
    write(
        small,
        "deploy",
        "one",
        "BEGIN;\nSET LOCAL ROLE axai_owner;\nCREATE TABLE one ();\nCOMMIT;\n",
    )

    migrations.deploy(connection, folder=small)

    assert connection.execute("SELECT current_user, current_setting('search_path')").fetchone() == (
        "postgres",
        "pg_catalog",
    )
    assert tables(connection) == ["one", "two"]


def test_a_database_of_another_plan_is_left_alone(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    migrations.deploy(connection, folder=small)
    plan = small / "sqitch.plan"
    plan.write_text(plan.read_text(encoding="utf-8").replace("# The first", "# It"), "utf-8")

    with pytest.raises(MigrationRefused, match=r"has the change one .* another plan"):
        migrations.deploy(connection, folder=small)


def planned(folder: Path, needs: str) -> None:
    """Let the second change need something else."""
    plan = folder / "sqitch.plan"
    plan.write_text(plan.read_text(encoding="utf-8").replace("one !three", needs), "utf-8")


@pytest.mark.parametrize("conflict", ["one", "small:one", "@v0", "other:one"])
def test_a_change_whose_conflict_is_deployed_is_refused(
    connection: psycopg.Connection[Any], small: Path, tmp_path: Path, conflict: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small, other)
    for path in (other / "sqitch.plan", *other.glob("*/one.sql")):
        text = path.read_text(encoding="utf-8").replace("TABLE one", "TABLE three")
        path.write_text(text.replace("=small", "=other"), "utf-8")
    planned(small, f"!{conflict}")
    plan = small / "sqitch.plan"
    tag = "# The first\n@v0 2026-01-01T00:00:01Z A <a@example.org>\n"
    plan.write_text(plan.read_text(encoding="utf-8").replace("# The first\n", tag), "utf-8")
    if conflict == "other:one":
        assert migrations.deploy(connection, "one", folder=other) == ("one",)
    before = tables(connection)

    with pytest.raises(MigrationRefused, match=f"two conflicts with {conflict}, which is deployed"):
        migrations.deploy(connection, folder=small)

    assert tables(connection) == before
    assert migrations.deploy(connection, "one", folder=small) == ("one",)
    with pytest.raises(MigrationRefused, match=f"two conflicts with {conflict}, which is deployed"):
        migrations.deploy(connection, folder=small)


@pytest.mark.parametrize("conflict", ["three", "two", "@v1", "other:one", "small:three"])
def test_a_change_whose_conflict_is_not_deployed_is_deployed(
    connection: psycopg.Connection[Any], small: Path, conflict: str
) -> None:
    planned(small, f"one !{conflict}")

    assert migrations.deploy(connection, folder=small) == ("one", "two")


def test_deploying_backwards_is_refused(connection: psycopg.Connection[Any], small: Path) -> None:
    migrations.deploy(connection, folder=small)

    with pytest.raises(MigrationRefused, match="past one: revert"):
        migrations.deploy(connection, "one", folder=small)


def test_reverting_to_what_is_not_deployed_is_refused(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    migrations.deploy(connection, "one", folder=small)

    with pytest.raises(MigrationRefused, match="@v1 is not deployed"):
        migrations.revert(connection, "@v1", folder=small)
    with pytest.raises(RevisionUnknown, match="'three'; there are: one, two"):
        migrations.revert(connection, "three", folder=small)


def test_a_connection_in_a_transaction_is_refused(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    with connection.transaction(), pytest.raises(MigrationRefused, match="in a transaction"):
        migrations.deploy(connection, folder=small)


def test_a_connection_that_does_not_commit_by_itself_stays_so(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    connection.autocommit = False

    migrations.deploy(connection, folder=small)

    assert not connection.autocommit
    connection.rollback()
    assert tables(connection) == ["one", "two"]


@pytest.mark.slow
def test_who_deploys_already_is_named(
    connection: psycopg.Connection[Any], url: str, small: Path
) -> None:
    with psycopg.connect(
        url.replace("+psycopg", ""), autocommit=True, application_name="the first"
    ) as other:
        other.execute("SELECT pg_advisory_lock(75474063)")

        with pytest.raises(MigrationLocked, match=r"postgres \(the first, process "):
            Runner(connection, small, wait=0.1).deploy()


def test_the_rows_of_a_connection_may_be_dictionaries(
    connection: psycopg.Connection[Any], url: str, small: Path
) -> None:
    place = url.replace("+psycopg", "")
    with psycopg.connect(place, autocommit=True, row_factory=dict_row) as named:
        assert ensure_roles(named) == ()
        assert migrations.deploy(named, folder=small) == ("one", "two")
        assert migrations.status(named, folder=small).current == "two"
        assert migrations.verify(named, folder=small) == ()
        assert describe(named) == describe(connection)
        with psycopg.connect(place, autocommit=True, application_name="the first") as other:
            other.execute("SELECT pg_advisory_lock(75474063)")
            with pytest.raises(MigrationLocked, match=r"postgres \(the first, process "):
                Runner(named, small, wait=0).revert()
        assert migrations.revert(named, folder=small) == ("two", "one")
        assert [event.kind for event in migrations.log(named, limit=1, folder=small)] == ["revert"]
    assert tables(connection) == []


def test_a_holder_that_has_just_gone_is_another_process(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    assert Runner(connection, small)._holder() == "another process"


def test_a_connection_that_breaks_says_why(
    connection: psycopg.Connection[Any], small: Path
) -> None:
    write(
        small, "deploy", "one", "BEGIN;\nSELECT pg_terminate_backend(pg_backend_pid());\nCOMMIT;\n"
    )

    with pytest.raises(MigrationFailed, match="terminating connection"):
        migrations.deploy(connection, folder=small)

    assert connection.closed


def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        migrations.status(f"postgresql://u:secret@/d?host={tmp_path}")


def test_two_who_deploy_at_once_take_turns(
    connection: psycopg.Connection[Any], url: str, small: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(migrations.deploy, url, folder=small) for _ in range(2)]

    assert sorted(each.result() for each in done) == [(), ("one", "two")]


def test_each_change_has_its_scripts_and_each_is_one_transaction() -> None:
    for change in migrations.read_plan().changes:
        for kind in ("deploy", "revert", "verify"):
            script = change.script(kind)
            assert script is not None
            assert script.framed
