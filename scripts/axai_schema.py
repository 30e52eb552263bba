"""Write, or compare, what the changes of axai_pg build.

That is sql/schema/schema.sql in the package, and the page of the tables with its picture. It
starts a PostgreSQL of its own, as the tests do: scripts/axai_schema.py [--write]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import axai_schema_page as tables
import psycopg

from andamios_orm.testing.databases import PostgresDatabases
from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run
from axai_pg import migrations
from axai_pg.migrations.catalogue import describe
from axai_pg.utils.roles import ensure_roles, prepare_database

SCHEMA = Path(migrations.__file__).parents[1] / "sql" / "schema" / "schema.sql"


def main(arguments: list[str]) -> int:
    """Return 0 if the files say what the changes build."""
    built = _built()
    stale = [path for path, text in built.items() if path.read_text(encoding="utf-8") != text]
    if "--write" in arguments:
        for path in stale:
            path.write_text(built[path], encoding="utf-8")
            print(f"{path}: written")
        return 0
    for path in stale:
        print(f"{path} is not what the changes build: run scripts/axai_schema.py --write")
    return 1 if stale else 0


def _built() -> dict[Path, str]:
    """Return what the files should hold."""
    run = Run.create()
    try:
        server = run.server(PostgresSettings.from_environment(os.environ))
        url = PostgresDatabases(server.url, run.name, "main").create()
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            ensure_roles(connection)
            prepare_database(connection)
            migrations.deploy(connection)
            return {
                SCHEMA: describe(connection),
                tables.PAGE: tables.page(connection),
                tables.DRAWING: tables.drawing(),
            }
    finally:
        run.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
