"""A database with organisations that are taken elsewhere."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_pg.archives import export_organization
from axai_pg.archives.tables import lines, tables
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Collection, Topic, User
from axai_pg.testing.rows import insert_rows
from axai_pg.utils.sample_data import ACME, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from andamios_orm.testing.databases import PostgresDatabases

Contents: TypeAlias = "Callable[[uuid.UUID], dict[str, list[bytes]]]"

LAST = uuid.UUID(int=2**127)
FIRST = uuid.UUID(int=1)


@pytest.fixture(scope="session")
def manager(
    andamios_postgres_databases: PostgresDatabases, schema_template: str
) -> Iterator[DatabaseManager]:
    """Yield the manager of a database with three organisations; one has rows in each table.

    Tests read them, and write to organisations of their own.
    """
    url = andamios_postgres_databases.create(schema_template)
    manager = DatabaseManager(PostgresConnectionConfig.from_url(url))
    manager.isolation.warned = True
    with manager.system_scope("test") as session:
        load(session)
        session.flush()
        driver: Any = session.connection().connection.dbapi_connection
        insert_rows(driver, uuid.uuid4())
    with manager.session_scope(org_id=ACME) as session:
        connection = session.connection()
        connection.exec_driver_sql(
            "UPDATE users SET hashed_password = 'a hash', is_admin = username = 'ana'"
        )
        connection.exec_driver_sql(
            "UPDATE documents SET content = E'a\\\\b\\n\"\\u00fc', title = title || ' 2'"
        )
        owner = session.query(User.id).limit(1).scalar()
        # Keys in another order than the tree: parents are not first by themselves.
        for key, above in ((LAST, None), (FIRST, LAST)):
            session.add(Topic(id=key, name=f"topic {key}", parent_topic_id=above))
            session.add(Collection(id=key, name="shelf", owner_id=owner, parent_id=above))
            session.flush()
    yield manager
    manager.dispose()
    andamios_postgres_databases.drop(url)


@pytest.fixture(scope="session")
def archived(manager: DatabaseManager, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of Acme, as a folder that nobody changes."""
    folder = tmp_path_factory.mktemp("archived") / "acme"
    export_organization(manager, ACME, folder)
    return folder


@pytest.fixture
def archive(archived: Path, tmp_path: Path) -> Path:
    """Return an archive of Acme, as a folder that a test may change."""
    return Path(shutil.copytree(archived, tmp_path / "acme"))


@pytest.fixture
def other() -> uuid.UUID:
    """Return the key of an organisation that there is not."""
    return uuid.uuid4()


@pytest.fixture
def contents(manager: DatabaseManager) -> Contents:
    """Return what gives all rows of an organisation by table, secrets included."""

    def read(org_id: uuid.UUID) -> dict[str, list[bytes]]:
        with manager.session_scope(org_id=org_id) as session:
            return {
                table.name: list(lines(session.connection(), table, _columns(table)))
                for table in tables()
            }

    return read


def _columns(table: Any) -> list[str]:
    return [each.name for each in table.columns if each.name not in {"org_id", "search_vector"}]
