"""The command ``axai-pg``: what it can do, told before anything is imported.

A new command is a line here, and one in the ``COMMANDS`` of the module that the line names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from andamios_command.program import Listed, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "PROGRAM", "main"]

_DATABASE: Final = "axai_pg.cli.database"
_MIGRATIONS: Final = "axai_pg.cli.migrations"
_ARCHIVES: Final = "axai_pg.cli.archives"
_ERASING: Final = "axai_pg.cli.erasing"
_ISOLATION: Final = "axai_pg.cli.isolation"
_STATISTICS: Final = "axai_pg.cli.statistics"
_SEEDING: Final = "axai_pg.cli.seeding"
_SERVING: Final = "axai_pg.cli.serving"
_EXPLAINING: Final = "andamios_orm.cli.explaining"

COMMANDS: Final[dict[str, dict[str, Listed]]] = {
    "Database": {
        "status": Listed("Show what there is, and what to do next.", _DATABASE),
        "init": Listed("Make the database, its roles and its tables.", _DATABASE),
        "migrate": Listed("Deploy the changes that are pending.", _MIGRATIONS),
        "revert": Listed("Revert what was deployed after a change, with its rows.", _MIGRATIONS),
        "verify": Listed(
            "Look whether each change is in the database as it should be; 3 if one is not.",
            _MIGRATIONS,
        ),
        "stats": Listed("Show rows, bytes and versions, of each organisation.", _STATISTICS),
    },
    "Organisations": {
        "check-isolation": Listed(
            "List every hole in the isolation of organisations; 1 if there is one.", _ISOLATION
        ),
        "seed": Listed("Make up organisations, marked as samples.", _SEEDING),
        "export-org": Listed("Write all that an organisation has to an archive.", _ARCHIVES),
        "import-org": Listed("Read an archive of an organisation.", _ARCHIVES),
        "erase-user": Listed("Erase what tells who a user was.", _ERASING),
    },
    "Help": {
        "explain": Listed(
            "Say what an error means and what to do.",
            _EXPLAINING,
            examples=("explain PrivilegedLogin", "explain migrationrefused --json"),
        ),
    },
    "Development": {
        "serve-test-db": Listed("Start a PostgreSQL with all tables, until Ctrl-C.", _SERVING),
    },
}

_ABOUT: Final = """
Documents of many organisations in one PostgreSQL, which keeps them apart.

Without a command it shows the state of the database, and what to do next. The database is
named by --url, else by AXAI_DATABASE_URL, else by [tool.axai_pg] in pyproject.toml, else by
POSTGRES_HOST and the like, in the environment or in .env of this folder. Data goes to the
standard output, messages to the standard error.

It ends with 0 if all went well, 1 if it failed or organisations are not isolated, 2 if it
was called wrongly, 3 if a check found differences or changes are pending, 4 if the database
is unreachable, 5 if data are not as they have to be, and 130 if it was interrupted.
"""

PROGRAM: Final = Program(
    name="axai-pg",
    about=_ABOUT,
    commands=COMMANDS,
    section="axai_pg",
    variables={"url": "AXAI_DATABASE_URL"},
    defaults={"url": None, "models": "axai_pg.data.models:Base", "folder": None},
    errors=("axai_pg.cli.remedies", "andamios_orm.cli.remedies"),
    bare="status",
)
"""The command ``axai-pg``."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command with ``arguments``, else those of the process."""
    return PROGRAM.run(arguments)
