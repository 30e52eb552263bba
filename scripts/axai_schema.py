"""Write, or compare, what the changes of axai_pg build: sql/schema/schema.sql in the package.

It starts a PostgreSQL of its own, as the tests do: scripts/axai_schema.py [--write]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg

from andamios_orm.testing.databases import PostgresDatabases
from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run
from axai_pg import migrations
from axai_pg.migrations.catalogue import describe
from axai_pg.utils.roles import ensure_roles, prepare_database

SCHEMA = Path(migrations.__file__).parents[1] / "sql" / "schema" / "schema.sql"


def main(arguments: list[str]) -> int:
    """Return 0 if the file says what the changes build."""
    run = Run.create()
    try:
        server = run.server(PostgresSettings.from_environment(os.environ))
        url = PostgresDatabases(server.url, run.name, "main").create()
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            ensure_roles(connection)
            prepare_database(connection)
            migrations.deploy(connection)
            built = describe(connection)
    finally:
        run.close()
    if "--write" in arguments:
        SCHEMA.write_text(built, encoding="utf-8")
        print(f"{SCHEMA}: written")
        return 0
    if SCHEMA.read_text(encoding="utf-8") == built:
        return 0
    print(f"{SCHEMA} is not what the changes build: run scripts/axai_schema.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
