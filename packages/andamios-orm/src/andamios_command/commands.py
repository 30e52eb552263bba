"""The command ``andamios-orm``: what it can do is told without importing what does it.

SQLAlchemy and DuckDB take most of a second to import, and importing ``andamios_orm``
imports both. So the list of commands stands here, beside that package, and a command is
imported when it is run, or when its own help is asked for.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

try:
    import rich_click as click
except ImportError:  # pragma: no cover - the tests have it
    sys.exit("andamios-orm: the command needs an extra: pip install 'andamios-orm[cli]'")

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS: Final[dict[str, dict[str, str]]] = {
    "Migrations": {
        "init": "Make the folder of revisions.",
        "revision": "Write a revision from the difference between models and database.",
        "migrate": "Run the revisions that are pending.",
        "downgrade": "Undo revisions.",
        "stamp": "Say at which revision the database is, without running any.",
        "current": "Show the revision that the database is at.",
        "history": "Show all revisions.",
        "check": "Compare the models with the database; 3 if they differ.",
        "db-reset": "Remove everything in the database and migrate it anew.",
    },
    "Database": {
        "query": "Run SQL that only reads, and print the rows.",
        "schema": "Print the tables of the models, as SQL or as a diagram.",
        "shell": "Open Python with the database, a session and the models.",
        "backup": "Copy a DuckDB file while others write.",
        "restore": "Put a copy in the place of a DuckDB file.",
        "doctor": "Look for what is wrong, and say how to mend it.",
    },
    "Maintenance": {
        "analyze": "Show sizes, indexes and the log of the database, and what to do about them.",
        "verify": "Read all of the database, and say what is wrong; 5 if something is.",
        "vacuum": "Give room back: make a DuckDB file anew, or vacuum PostgreSQL.",
        "snapshot": "Copy a DuckDB file for others to read.",
        "copy-to": "Copy all rows into another database, and compare both.",
    },
    "Help": {
        "explain": "Say what an error means and what to do.",
        "config": "Show the settings, and where each comes from.",
    },
    "Development": {
        "setup-dev": "Make the environment of the project.",
        "db-start": "Start the PostgreSQL of the tests and print its URL.",
        "test": "Run the tests.",
        "test-parallel": "Run the tests on all cores.",
        "coverage": "Report the coverage of the tests.",
        "lint": "Check the style.",
        "typecheck": "Check the types.",
        "format": "Check the format.",
        "benchmark": "Run the benchmarks.",
    },
}
_MODULES: Final = {
    "Migrations": "andamios_orm.cli.migrations",
    "Database": "andamios_orm.cli.databases",
    "Maintenance": "andamios_orm.cli.maintenance",
    "Help": "andamios_orm.cli.explaining",
    "Development": "andamios_orm.cli.development",
}
_SUMMARIES: Final = {
    name: (group, summary)
    for group, commands in COMMANDS.items()
    for name, summary in commands.items()
}


class _Commands(click.RichGroup):
    """The commands: known by name and summary, imported to be run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the groups."""
        return list(_SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return a command; only its name and summary, unless the shell completes one."""
        if ctx.resilient_parsing:
            return _imported(cmd_name)
        return click.RichCommand(name=cmd_name, help=_SUMMARIES[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is run."""
        name, *rest = args
        if name not in _SUMMARIES and ctx.resilient_parsing:
            return None, None, args
        if name not in _SUMMARIES:
            import difflib

            near = ", ".join(difflib.get_close_matches(name, _SUMMARIES))
            ctx.fail(f"there is no command {name}" + (f"; did you mean {near}?" if near else ""))
        return name, _imported(name), rest


def _imported(name: str) -> click.Command:
    module = importlib.import_module(_MODULES[_SUMMARIES[name][0]])
    commands: dict[str, click.Command] = module.COMMANDS
    return commands[name]


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.rich_config(
    help_config={
        "command_groups": {
            "*": [{"name": name, "commands": list(found)} for name, found in COMMANDS.items()]
        },
    }
)
@click.version_option(
    None, "--version", "-V", package_name="andamios-orm", prog_name="andamios-orm"
)
def _group() -> None:
    """Look after DuckDB and PostgreSQL databases: migrations, backups, queries, health.

    The database is named by --url, else by ANDAMIOS_URL, else by [tool.andamios] in
    pyproject.toml. Data goes to the standard output, messages to the standard error.

    It ends with 0 if all went well, 1 if it failed, 2 if it was called wrongly, 3 if a
    check found differences, 4 if the database is locked or unreachable, 5 if data are
    not as they have to be, and 130 if it was interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command with ``arguments``, else those of the process."""
    return _group.main(
        args=None if arguments is None else list(arguments),
        prog_name="andamios-orm",
        complete_var="_ANDAMIOS_ORM_COMPLETE",
    )
