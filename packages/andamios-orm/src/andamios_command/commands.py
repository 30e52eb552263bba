"""The command ``andamios-orm``: what it can do is told without importing what does it.

SQLAlchemy and DuckDB take most of a second to import, and importing ``andamios_orm``
imports both. So the list of commands stands here, beside that package, and a command is
imported when it is run, or when its own help is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from andamios_command.program import Listed, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "PROGRAM", "main"]

_MIGRATIONS: Final = "andamios_orm.cli.migrations"
_DATABASES: Final = "andamios_orm.cli.databases"
_MAINTENANCE: Final = "andamios_orm.cli.maintenance"
_EXPLAINING: Final = "andamios_orm.cli.explaining"
_DEVELOPMENT: Final = "andamios_orm.cli.development"

COMMANDS: Final[dict[str, dict[str, Listed]]] = {
    "Migrations": {
        "init": Listed("Make the folder of revisions.", _MIGRATIONS),
        "revision": Listed(
            "Write a revision from the difference between models and database.", _MIGRATIONS
        ),
        "migrate": Listed("Run the revisions that are pending.", _MIGRATIONS),
        "downgrade": Listed("Undo revisions.", _MIGRATIONS),
        "stamp": Listed("Say at which revision the database is, without running any.", _MIGRATIONS),
        "current": Listed("Show the revision that the database is at.", _MIGRATIONS),
        "history": Listed("Show all revisions.", _MIGRATIONS),
        "check": Listed("Compare the models with the database; 3 if they differ.", _MIGRATIONS),
        "db-reset": Listed("Remove everything in the database and migrate it anew.", _MIGRATIONS),
    },
    "Database": {
        "query": Listed("Run SQL that only reads, and print the rows.", _DATABASES),
        "schema": Listed("Print the tables of the models, as SQL or as a diagram.", _DATABASES),
        "shell": Listed("Open Python with the database, a session and the models.", _DATABASES),
        "backup": Listed("Copy a DuckDB file while others write.", _DATABASES),
        "restore": Listed("Put a copy in the place of a DuckDB file.", _DATABASES),
        "doctor": Listed("Look for what is wrong, and say how to mend it.", _DATABASES),
    },
    "Maintenance": {
        "analyze": Listed(
            "Show sizes, indexes and the log of the database, and what to do about them.",
            _MAINTENANCE,
        ),
        "verify": Listed(
            "Read all of the database, and say what is wrong; 5 if something is.", _MAINTENANCE
        ),
        "vacuum": Listed(
            "Give room back: make a DuckDB file anew, or vacuum PostgreSQL.", _MAINTENANCE
        ),
        "snapshot": Listed("Copy a DuckDB file for others to read.", _MAINTENANCE),
        "copy-to": Listed("Copy all rows into another database, and compare both.", _MAINTENANCE),
    },
    "Help": {
        "explain": Listed("Say what an error means and what to do.", _EXPLAINING),
        "config": Listed("Show the settings, and where each comes from.", _EXPLAINING),
    },
    "Development": {
        "setup-dev": Listed("Make the environment of the project.", _DEVELOPMENT),
        "db-start": Listed("Start the PostgreSQL of the tests and print its URL.", _DEVELOPMENT),
        "test": Listed("Run the tests.", _DEVELOPMENT),
        "test-parallel": Listed("Run the tests on all cores.", _DEVELOPMENT),
        "coverage": Listed("Report the coverage of the tests.", _DEVELOPMENT),
        "lint": Listed("Check the style.", _DEVELOPMENT),
        "typecheck": Listed("Check the types.", _DEVELOPMENT),
        "format": Listed("Check the format.", _DEVELOPMENT),
        "benchmark": Listed("Run the benchmarks.", _DEVELOPMENT),
    },
}

_ABOUT: Final = """
Look after DuckDB and PostgreSQL databases: migrations, backups, queries, health.

The database is named by --url, else by ANDAMIOS_URL, else by [tool.andamios] in
pyproject.toml. Data goes to the standard output, messages to the standard error.

It ends with 0 if all went well, 1 if it failed, 2 if it was called wrongly, 3 if a
check found differences, 4 if the database is locked or unreachable, 5 if data are
not as they have to be, and 130 if it was interrupted.
"""

PROGRAM: Final = Program(
    name="andamios-orm",
    about=_ABOUT,
    commands=COMMANDS,
    section="andamios",
    variables={
        "url": "ANDAMIOS_URL",
        "models": "ANDAMIOS_MODELS",
        "folder": "ANDAMIOS_FOLDER",
    },
    defaults={"url": None, "models": None, "folder": "migrations"},
)
"""The command ``andamios-orm``."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command with ``arguments``, else those of the process."""
    return PROGRAM.run(arguments)
