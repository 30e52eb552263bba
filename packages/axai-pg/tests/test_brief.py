"""What was promised before a line was written, letter for letter, as far as it is there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig

if TYPE_CHECKING:
    from andamios_orm.testing.databases import PostgresDatabases

SCOPE = "with db.session_scope() as session: ..."
SET_UP = "with DatabaseInitializer(config) as db_init: db_init.setup_database()"
NAMES = {
    "axai_pg": "DatabaseManager PostgresConnectionConfig PostgresPoolConfig Organization User "
    "Document DocumentVersion Summary Topic DocumentTopic GraphNode GraphRelationship Collection",
    "axai_pg.data.config.database": "DatabaseManager PostgresConnectionConfig PostgresPoolConfig",
    "axai_pg.data.config.settings": "",
    "axai_pg.data.security": "SecurityManager SecurityQueryMiddleware SecureRepository "
    "require_permission",
    "axai_pg.utils": "DatabaseInitializer DatabaseInitializerConfig",
    "axai_pg.utils.db_initializer": "DatabaseInitializer DatabaseInitializerConfig",
    "axai_pg.testing.fixtures": "axai_db_config axai_test_db axai_db_session "
    "axai_clean_db_session axai_db_manager axai_reset_db axai_org axai_org_session",
}


@pytest.mark.unit
@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_the_names_that_were_promised(module: str) -> None:
    imported = importlib.import_module(module)

    assert [name for name in NAMES[module].split() if not hasattr(imported, name)] == []


@pytest.mark.e2e
@pytest.mark.db
@pytest.mark.slow
def test_a_database_is_set_up_and_a_scope_opens(
    andamios_postgres_databases: PostgresDatabases,
) -> None:
    url = andamios_postgres_databases.create()
    connection_config = PostgresConnectionConfig.from_url(url)
    names: dict[str, Any] = {
        "DatabaseInitializer": DatabaseInitializer,
        "config": DatabaseInitializerConfig(connection_config),
        "db": DatabaseManager(connection_config),
    }

    exec(SET_UP, names)  # noqa: S102 - the text above
    exec(SCOPE, names)  # noqa: S102 - the text above

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT to_regclass('documents')").fetchone() == ("documents",)
    andamios_postgres_databases.drop(url)
