"""The command ``project-architect-db``: what it can do, told before anything is imported.

Most of its commands are those of ``andamios-orm``, for the tables of this package. A new one
is a line here, and one in the ``COMMANDS`` of the module that the line names.
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
_ANALYZING: Final = "project_architect_db.cli.analyzing"
_SEARCHING: Final = "project_architect_db.cli.searching"
_DATABASE: Final = "project_architect_db.cli.database"
_EXPORTING: Final = "project_architect_db.cli.exporting"
_IMPORTING: Final = "project_architect_db.cli.importing"
_REPORTING: Final = "project_architect_db.cli.reporting"
_SEEDING: Final = "project_architect_db.cli.seeding"
_SERVER: Final = "postgresql://architect@db.example.com/architect"

COMMANDS: Final[dict[str, dict[str, Listed]]] = {
    "Database": {
        "status": Listed("Show what there is, and what to do next.", _DATABASE),
        "init": Listed("Make the database and its tables.", _DATABASE),
        "migrate": Listed(
            "Run the revisions that are pending.",
            _MIGRATIONS,
            examples=("migrate", "migrate --check", "migrate --to 0001 --dry-run"),
        ),
        "current": Listed("Show the revision that the database is at.", _MIGRATIONS),
        "history": Listed("Show all revisions.", _MIGRATIONS),
        "check": Listed("Compare the models with the database; 3 if they differ.", _MIGRATIONS),
        "db-reset": Listed("Remove everything in the database and migrate it anew.", _MIGRATIONS),
        "backup": Listed(
            "Copy a DuckDB file while others write.",
            _DATABASES,
            examples=("backup monday.duckdb", "backup monday --format open"),
        ),
        "restore": Listed(
            "Put a copy in the place of a DuckDB file.",
            _DATABASES,
            examples=(
                "restore monday.duckdb project_architect.duckdb --dry-run",
                "restore monday.duckdb project_architect.duckdb --yes",
            ),
        ),
        "schema": Listed("Print the tables of the models, as SQL or as a diagram.", _DATABASES),
        "doctor": Listed("Look for what is wrong, and say how to mend it.", _DATABASES),
    },
    "Questions": {
        "search": Listed(
            "Find words in projects, conversations, documents and repositories.", _SEARCHING
        ),
        "analyze": Listed("Show figures: the dashboard, or those of METHOD.", _ANALYZING),
    },
    "Data": {
        "import": Listed("Bring what is outside into projects.", _IMPORTING),
        "export": Listed(
            "Write projects, conversations, messages, documents or repositories to a file.",
            _EXPORTING,
        ),
        "report": Listed("Show the portfolio at a glance, here or as a page.", _REPORTING),
        "query": Listed(
            "Run SQL that only reads, and print the rows.",
            _DATABASES,
            examples=(
                "query 'SELECT status, count(*) AS projects FROM projects GROUP BY status'",
                "query 'SELECT name, owner FROM projects' --format csv --output projects.csv",
                "query - < report.sql",
            ),
        ),
        "shell": Listed(
            "Open Python with the database, a session and the models.",
            _DATABASES,
            examples=(
                "shell -c 'print(await session.scalar(select(sa.func.count(Project.id))))'",
                "shell < report.py",
            ),
        ),
        "seed": Listed("Make up projects, marked as sample data.", _SEEDING),
    },
    "Maintenance": {
        "db-analyze": Listed(
            "Show sizes, indexes and the log of the database, and what to do about them.",
            _MAINTENANCE,
            task="analyze",
            examples=("db-analyze", "db-analyze --json"),
        ),
        "db-vacuum": Listed(
            "Give room back: make a DuckDB file anew, or vacuum PostgreSQL.",
            _MAINTENANCE,
            task="vacuum",
            examples=("db-vacuum", "db-vacuum --dry-run", f"db-vacuum --full --url {_SERVER}"),
        ),
        "verify": Listed(
            "Read all of the database, and say what is wrong; 5 if something is.", _MAINTENANCE
        ),
        "snapshot": Listed(
            "Copy a DuckDB file for others to read.",
            _MAINTENANCE,
            examples=("snapshot now.duckdb", "snapshot now.duckdb --replace"),
        ),
        "copy-to": Listed(
            "Copy all rows into another database, and compare both.",
            _MAINTENANCE,
            examples=(f"copy-to {_SERVER}", f"copy-to duckdb:///analysis.duckdb --url {_SERVER}"),
        ),
    },
    "Help": {
        "explain": Listed("Say what an error means and what to do.", _EXPLAINING),
        "config": Listed("Show the settings, and where each comes from.", _EXPLAINING),
    },
    "Development": {
        "test": Listed("Run the tests.", _DEVELOPMENT),
        "test-parallel": Listed("Run the tests on all cores.", _DEVELOPMENT),
        "benchmark": Listed("Run the benchmarks.", _DEVELOPMENT),
    },
}

_ABOUT: Final = """
One place for the projects of a team: what was decided, written, built, and what is stuck.

Without a command it shows the state of the database, and what to do next. The database is
named by --url, else by PAD_DATABASE_URL, else by [tool.project_architect_db] in
pyproject.toml; else it is project_architect.duckdb in this folder, made when it is needed.
Data goes to the standard output, messages to the standard error.

It ends with 0 if all went well, 1 if it failed, 2 if it was called wrongly, 3 if a
check found differences or revisions are pending, 4 if the database is locked or unreachable,
5 if data are not as they have to be, and 130 if it was interrupted.
"""

PROGRAM: Final = Program(
    name="project-architect-db",
    about=_ABOUT,
    commands=COMMANDS,
    section="project_architect_db",
    variables={"url": "PAD_DATABASE_URL"},
    defaults={
        "url": "duckdb:///project_architect.duckdb",
        "models": "project_architect_db.models:Base",
        "folder": None,
    },
    errors=("andamios_orm.cli.remedies", "project_architect_db.cli.remedies"),
    manager="project_architect_db.migration.manager:MigrationManager",
    prepare="project_architect_db.cli.opening:prepare",
    findings="project_architect_db.cli.checking:findings",
    bare="status",
)
"""The command ``project-architect-db``."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command with ``arguments``, else those of the process."""
    return PROGRAM.run(arguments)
