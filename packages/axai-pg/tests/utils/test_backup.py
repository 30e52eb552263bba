"""What an operator dumps and restores is whole, and as isolated as it was."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from axai_pg import migrations
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Organization, Topic
from axai_pg.exceptions import AccessDenied
from axai_pg.isolation import inspect_isolation
from axai_pg.testing.rows import insert_rows
from axai_pg.utils.roles import grant_login, prepare_database
from axai_pg.utils.server import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.db,
    pytest.mark.slow,
    pytest.mark.usefixtures("logins_alone"),
]


@pytest.fixture
def operator(schema_url: str) -> PostgresConnectionConfig:
    return PostgresConnectionConfig.from_url(schema_url)


@pytest.fixture
def login(operator: PostgresConnectionConfig) -> Iterator[PostgresConnectionConfig]:
    """Yield a login for as long as the test runs; ``grant_login`` gives it a role."""
    made = dataclasses.replace(
        operator, username=f"axai_test_{uuid.uuid4().hex[:12]}", password=secrets.token_hex()
    )
    with connect(operator) as connection:
        connection.execute(f"CREATE ROLE {made.username} LOGIN PASSWORD '{made.password}'")
        yield made
        connection.execute(f"DROP OWNED BY {made.username}; DROP ROLE {made.username}")


def program(
    name: str, config: PostgresConnectionConfig, *options: str
) -> subprocess.CompletedProcess[str]:
    """Return what a program of PostgreSQL did; skip where there is none that fits the server."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install postgresql-client")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"\d+", told)
    with connect(config, "postgres") as connection:
        if version is None or int(version[0]) < connection.info.server_version // 10_000:
            pytest.skip(f"{told.strip()} is older than the server")
    place = ["--host", config.host, "--port", str(config.port), "--username", config.username]
    return subprocess.run(
        [found, *place, *options],
        env={**os.environ, "PGPASSWORD": config.password},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dump_holds_all_that_is_restored(
    operator: PostgresConnectionConfig,
    empty_url: str,
    login: PostgresConnectionConfig,
    tmp_path: Path,
) -> None:
    dump, org_id = str(tmp_path / "dump"), uuid.uuid4()
    target = PostgresConnectionConfig.from_url(empty_url)
    with connect(operator) as connection:
        grant_login(connection, login.username, "axai_backup")
        insert_rows(connection, org_id)
        connection.execute("SELECT set_config('axai.org_id', %s, false)", [str(org_id)])
        connection.execute("SELECT axai_seal_audit()")
    arguments = ("--format", "custom", "--file", dump, operator.database)
    refused = program("pg_dump", login, *arguments)
    with connect(operator) as connection:
        connection.execute("GRANT USAGE ON SCHEMA sqitch TO axai_backup")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sqitch TO axai_backup")

    under_policies = program("pg_dump", login, *arguments)
    dumped = program("pg_dump", login, "--role", "axai_backup", *arguments)
    restored = program(
        "pg_restore", target, "--single-transaction", "--exit-on-error", "-d", target.database, dump
    )

    assert "permission denied for schema sqitch" in refused.stderr
    assert "row-level security policy" in under_policies.stderr
    assert (dumped.stderr, restored.stderr) == ("", "")
    with connect(target) as connection:
        prepare_database(connection)
        assert migrations.verify(connection) == ()
        assert inspect_isolation(connection) == ()
        assert connection.execute("SELECT id FROM organizations").fetchall() == [(org_id,)]
        connection.execute("SELECT set_config('axai.org_id', %s, false)", [str(org_id)])
        assert connection.execute("SELECT axai_broken_seals()").fetchall() == []


def test_in_another_cluster_the_first_write_is_an_operators(
    operator: PostgresConnectionConfig, login: PostgresConnectionConfig
) -> None:
    """Its transactions are numbered below those in the feed, as after a restore."""
    org_id = uuid.uuid4()
    with connect(operator) as connection:
        grant_login(connection, login.username)
        connection.execute(
            "INSERT INTO andamios_changes (position, time, entity, kind, count, tenant) VALUES"
            " (pg_current_xact_id()::text::bigint + 1000000 << 20, now(), 'x', 'create', 1, %s)",
            [str(org_id)],
        )
    services = DatabaseManager(login)
    operators = DatabaseManager(operator)
    with (
        pytest.raises(AccessDenied, match="andamios_changes"),
        services.session_scope(org_id) as session,
    ):
        session.add(Organization(id=org_id, name="Acme"))

    with operators.system_scope("restored") as session:
        nobody = Organization(name="nobody")
        session.add(nobody)
        session.flush()
        session.delete(nobody)
    with services.session_scope(org_id) as session:
        session.add(Organization(id=org_id, name="Acme"))
        session.flush()
        session.add(Topic(name="trees"))
    with services.session_scope(org_id) as session:
        found = session.scalar(select(func.count()).select_from(Topic))
    services.dispose()
    operators.dispose()

    assert found == 1
