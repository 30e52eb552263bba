from __future__ import annotations

import dataclasses
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable, MigrationFailed
from axai_pg.data.config import PostgresConnectionConfig, PostgresPoolConfig
from axai_pg.data.models import Document, Organization, Summary
from axai_pg.migrations.plan import FOLDER
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig, server
from axai_pg.utils.sample_data import ACME, GLOBEX

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

pytestmark = [pytest.mark.integration, pytest.mark.db]


WAITS = """
SELECT FROM pg_locks JOIN pg_database AS here ON here.oid = database
WHERE locktype = 'advisory' AND NOT granted AND objid = 2 AND datname = current_database()
"""


def initializer(config: PostgresConnectionConfig, **options: Any) -> DatabaseInitializer:
    """Return an initializer that does not wait."""
    return DatabaseInitializer(DatabaseInitializerConfig(config, wait_timeout=0, **options))


def count(made: DatabaseInitializer, model: Any) -> int | None:
    with made.session_scope() as session:
        return session.scalar(select(func.count()).select_from(model))


@pytest.mark.slow
def test_a_database_is_set_up_with_sample_data_and_goes(config: PostgresConnectionConfig) -> None:
    with initializer(config, auto_drop_on_exit=True) as made:
        for _ in range(2):  # each step may be repeated
            made.setup_database(load_sample_data=True)

        assert (count(made, Organization), count(made, Document)) == (2, 6)
        assert count(made, Summary) == 6
        manager = made.get_database_manager()
        assert made.get_database_manager() is manager
        assert made.get_connection_config() is config
        manager.isolation.warned = True
        with manager.session_scope(ACME) as session:
            assert session.scalars(select(Organization.name)).all() == ["Acme"]
            assert session.get(Organization, GLOBEX) is None

    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        server.connect(config)


def test_a_database_is_made_once(
    config: PostgresConnectionConfig, maintenance: psycopg.Connection[Any]
) -> None:
    with initializer(config) as made:
        made.setup_database(apply_schema=False)
        assert not made.create_database()
        assert not server.create_database(maintenance, config.database)
        assert server.database_exists(maintenance, config.database)
        assert (made.teardown_database(), made.teardown_database()) == (True, False)


def test_a_database_of_somebody_else_is_dropped_only_when_told(
    config: PostgresConnectionConfig,
) -> None:
    initializer(config).create_database()

    with initializer(config, auto_drop_on_exit=True) as made:
        for drop in (made.drop_database, made.teardown_database, made.reset_database):
            with pytest.raises(ConfigurationError, match="was not made here: pass force=True"):
                drop()
    assert made.drop_database(force=True)  # it was left there


@pytest.mark.parametrize("name", ["postgres", "template1", "template0"])
def test_what_is_the_servers_own_is_never_dropped(
    config: PostgresConnectionConfig, name: str
) -> None:
    made = initializer(dataclasses.replace(config, database=name))

    with pytest.raises(ConfigurationError, match=f"{name} is the server's own"):
        made.drop_database(force=True)


@pytest.mark.slow
def test_a_reset_leaves_the_tables_and_no_row(config: PostgresConnectionConfig) -> None:
    with initializer(config) as made:
        made.setup_database(load_sample_data=True)
        made.reset_database()
        assert count(made, Organization) == 0
        made.reset_database(load_sample_data=True)
        assert count(made, Organization) == 2


def test_a_database_that_is_not_to_be_made_has_to_be_there(
    config: PostgresConnectionConfig,
) -> None:
    with pytest.raises(ConfigurationError, match="make it, or leave auto_create_db on"):
        initializer(config, auto_create_db=False).setup_database()


@pytest.mark.slow
def test_tables_may_come_from_a_file_and_lie_in_a_schema(
    config: PostgresConnectionConfig,
) -> None:
    config = dataclasses.replace(config, schema="of its own")
    file = FOLDER.parent / "sql" / "schema" / "schema.sql"
    with initializer(config, schema_file=file, pool_config=PostgresPoolConfig(1)) as made:
        made.create_database()
        assert made.apply_schema() == ()
        made.load_sample_data()
        with made.session_scope() as session:
            where = session.scalar(text("SELECT 'documents'::regclass::oid::regclass::text"))
            assert where == "documents"
            assert session.scalar(text('SELECT count(*) FROM "of its own".documents')) == 6
            assert session.scalar(text("SELECT to_regclass('public.documents')")) is None


@pytest.mark.slow
def test_a_script_may_be_sql_or_python(schema_url: str, tmp_path: Path) -> None:
    key = uuid.uuid4()
    statements = tmp_path / "rows.sql"
    statements.write_text(f"INSERT INTO organizations (id, name) VALUES ('{key}', 'a;b');")
    program = tmp_path / "rows.py"
    program.write_text(
        "from axai_pg import Organization\n"
        "def load(session):\n    session.add(Organization(name='of a program'))\n"
    )
    there = PostgresConnectionConfig.from_url(schema_url)
    with initializer(there, sample_data_script=statements) as made:
        made.load_sample_data()
        made.load_sample_data(program)

        with made.session_scope() as session:
            names = session.scalars(select(Organization.name).order_by(Organization.name)).all()
            reasons = session.scalars(
                text("SELECT details->>'reason' FROM audit_log WHERE action = 'system_scope'")
            ).all()
    assert names == ["a;b", "of a program"]
    assert sorted(reasons) == ["DatabaseInitializer"] * 2 + ["DatabaseInitializer: rows.sql"]


def test_a_script_that_cannot_be_run_is_named(schema_url: str, tmp_path: Path) -> None:
    wrong, empty = tmp_path / "wrong.sql", tmp_path / "empty.py"
    wrong.write_text("INSERT INTO organizations (name) VALUES ('lost'); SELECT nothing;")
    empty.write_text("x = 1\n")
    made = initializer(PostgresConnectionConfig.from_url(schema_url))

    for script in ("none.sql", "none.py"):
        with pytest.raises(ConfigurationError, match=rf"{script} cannot be read"):
            made.load_sample_data(tmp_path / script)
    with pytest.raises(ConfigurationError, match=r"empty\.py has no function load\(session\)"):
        made.load_sample_data(empty)
    with pytest.raises(MigrationFailed, match='column "nothing" does not exist'):
        made.load_sample_data(wrong)

    with made, made.session_scope() as session:
        assert session.scalar(select(func.count()).select_from(Organization)) == 0
        noted = text("SELECT count(*) FROM audit_log WHERE details->>'reason' LIKE '%wrong.sql'")
        assert session.scalar(noted) == 1


@pytest.mark.slow
def test_a_login_that_may_not_do_it_is_told_what_it_lacks(
    schema_url: str, config: PostgresConnectionConfig, maintenance: psycopg.Connection[Any]
) -> None:
    login = f"axai_test_{uuid.uuid4().hex[:12]}"
    maintenance.execute(f"CREATE ROLE {login} LOGIN")
    mine = dataclasses.replace(config, username=login)
    there = dataclasses.replace(PostgresConnectionConfig.from_url(schema_url), username=login)

    with pytest.raises(ConfigurationError, match=f'ALTER ROLE "{login}" CREATEDB'):
        initializer(mine).setup_database()
    with pytest.raises(ConfigurationError, match="let a superuser set the database up once"):
        initializer(there).apply_schema()
    with pytest.raises(ConfigurationError, match=f"{login} may not drop the database"):
        initializer(there).drop_database(force=True)
    maintenance.execute(f"DROP ROLE {login}")


def test_the_environment_says_whether_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_DB", "of_env")
    monkeypatch.setenv("AXAI_AUTO_DROP_DB", "true")

    made = DatabaseInitializerConfig.from_env()

    assert (made.connection_config.database, made.auto_drop_on_exit) == ("of_env", True)


def test_waiting_for_a_server_is_cancelled(config: PostgresConnectionConfig) -> None:
    nowhere = dataclasses.replace(config, port=1)
    made = DatabaseInitializer(DatabaseInitializerConfig(nowhere, wait_timeout=600))
    made.cancel()

    with pytest.raises(InterruptedError):
        made.create_database()


@pytest.mark.slow
def test_a_step_is_cancelled_where_a_statement_waits(
    config: PostgresConnectionConfig, tmp_path: Path
) -> None:
    script = tmp_path / "waits.sql"
    script.write_text("SELECT pg_advisory_lock(1, 2)")
    made = initializer(config, schema_file=script)
    made.create_database()
    refused: list[MigrationFailed] = []

    def apply() -> None:
        try:
            made.apply_schema()
        except MigrationFailed as error:
            refused.append(error)

    with server.connect(config) as connection:
        connection.execute("SELECT pg_advisory_lock(1, 2)")
        thread = threading.Thread(target=apply)
        thread.start()
        while thread.is_alive() and not connection.execute(WAITS).fetchall():
            pass
        made.cancel()
        thread.join()

    assert refused[0].reason == "canceling statement due to user request"


@pytest.mark.parametrize("values", [{"retry_attempts": 0}, {"wait_timeout": -1}])
def test_what_could_not_be_done_is_refused(values: dict[str, Any]) -> None:
    [name] = values

    with pytest.raises(ConfigurationError, match=f"{name}=.* is below"):
        DatabaseInitializerConfig(PostgresConnectionConfig(), **values)
