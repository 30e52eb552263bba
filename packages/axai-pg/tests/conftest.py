"""What the tests share: databases with the schema, and connections that act as a role."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run
from axai_pg import migrations
from axai_pg.migrations.plan import FOLDER
from axai_pg.testing.rows import insert_rows
from axai_pg.utils.roles import ensure_roles, prepare_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from andamios_orm.testing.databases import PostgresDatabases
    from andamios_orm.testing.postgres import PostgresServer

    Connect = Callable[..., AbstractContextManager[psycopg.Connection[Any]]]

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
LOGINS = 20_110
"""The number of a lock."""
CONFIGURATION = """
[databases]
{dbname} = host={host} port={port} dbname={dbname}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
"""


def _connection(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


@pytest.fixture(scope="session")
def scripts() -> Path:
    """Return the folder with the plan and its scripts."""
    return FOLDER


@pytest.fixture(scope="session")
def schema_template(andamios_postgres_databases: PostgresDatabases, scripts: Path) -> str:
    """Return the name of a database in which all changes are deployed."""
    files = sorted(scripts.rglob("*.sql"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def build(url: str) -> None:
        with _connection(url) as connection:
            ensure_roles(connection)
            prepare_database(connection)
            migrations.deploy(connection)

    return andamios_postgres_databases.template(f"axai {digest}", build)


@pytest.fixture
def new_server() -> Iterator[PostgresServer]:
    """Yield a server of this test alone, where no roles have been made."""
    settings = PostgresSettings.from_environment({**os.environ, "ANDAMIOS_TEST_POSTGRES_URL": ""})
    run = Run.create()
    yield run.server(settings)
    run.close()


@pytest.fixture
def empty_url(andamios_postgres_databases: PostgresDatabases) -> Iterator[str]:
    """Yield the URL of a database that is prepared for changes, without any."""
    url = andamios_postgres_databases.create()
    with _connection(url) as connection:
        ensure_roles(connection)
        prepare_database(connection)
    yield url
    andamios_postgres_databases.drop(url)


@pytest.fixture
def schema_url(
    andamios_postgres_databases: PostgresDatabases, schema_template: str
) -> Iterator[str]:
    """Yield the URL of a database of this test alone, with the whole schema."""
    url = andamios_postgres_databases.create(schema_template)
    with _connection(url) as connection:
        prepare_database(connection)  # grants on a database are not copied
    yield url
    andamios_postgres_databases.drop(url)


@pytest.fixture(scope="session")
def shared_url(
    andamios_postgres_databases: PostgresDatabases, schema_template: str
) -> Iterator[str]:
    """Yield the URL of a database that tests share; they leave nothing in it."""
    url = andamios_postgres_databases.create(schema_template)
    with _connection(url) as connection:
        prepare_database(connection)
    yield url
    andamios_postgres_databases.drop(url)


@pytest.fixture
def logins_alone(shared_url: str) -> Iterator[None]:
    """Keep two workers apart: logins are the server's, and one would list the other's as holes."""
    url = make_url(shared_url).set(drivername="postgresql", database="postgres")
    with _connection(url.render_as_string(hide_password=False)) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOGINS])
        yield


@pytest.fixture(scope="session")
def connect() -> Connect:
    """Return ``connect(url, role, org_id)``: a transaction of a login, rolled back in the end.

    The session belongs to the role as if it had logged in, so it is nobody else.
    """

    @contextmanager
    def connected(
        url: str, role: str = "axai_app", org_id: uuid.UUID | None = None
    ) -> Iterator[psycopg.Connection[Any]]:
        with _connection(url) as connection:
            connection.execute(f"SET SESSION AUTHORIZATION {role}")
            connection.autocommit = False
            if org_id is not None:
                connection.execute("SELECT set_config('axai.org_id', %s, true)", [str(org_id)])
            try:
                yield connection
            finally:
                connection.rollback()

    return connected


class Organisation:
    """An organisation with a row in each table; ``keys`` has them by table."""

    def __init__(self, url: str) -> None:
        self.id = uuid.uuid4()
        with _connection(url) as connection, connection.transaction():
            connection.execute("SET LOCAL ROLE axai_system")
            self.keys = insert_rows(connection, self.id)


@pytest.fixture(scope="session")
def ours(shared_url: str) -> Organisation:
    """Return the organisation that attacks."""
    return Organisation(shared_url)


@pytest.fixture(scope="session")
def theirs(shared_url: str) -> Organisation:
    """Return the organisation that is attacked."""
    return Organisation(shared_url)


@pytest.fixture
def bouncer(tmp_path: Path) -> Callable[..., AbstractContextManager[dict[str, Any]]]:
    """Return what yields the place of a pgbouncer that has one connection to the server."""
    if BOUNCER is None:
        pytest.skip("pgbouncer is not installed: .ci/run does it")

    @contextmanager
    def started(name: str, password: str, server: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        users, configuration = tmp_path / "users", tmp_path / "pgbouncer.ini"
        users.write_text(f'"{name}" "{password}"\n')
        place = {"port": 5432, **server}
        configuration.write_text(CONFIGURATION.format(**place, listen_port=port, users=users))
        nobody: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            nobody = {"user": "nobody"}
            for path in (users, configuration, tmp_path, *tmp_path.parents[:3]):
                path.chmod(path.stat().st_mode | 0o055)
        log = tmp_path / "log"  # a pipe that nobody reads would stop it once it is full
        with (
            log.open("wb") as said,
            subprocess.Popen(
                [BOUNCER, configuration], stdout=subprocess.DEVNULL, stderr=said, **nobody
            ) as process,
        ):
            try:
                while b"process up" not in log.read_bytes():
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.01)
                yield {**place, "host": "127.0.0.1", "port": port}
            finally:
                process.terminate()

    return started
