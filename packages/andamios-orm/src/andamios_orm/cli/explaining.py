"""The commands that explain: what an error means, and where a setting comes from."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.project import imported
from andamios_orm.cli.running import command

if TYPE_CHECKING:
    from andamios_command.program import Program
    from andamios_orm.cli.running import Context

_TOO_GENERAL: Final = {"BaseException", "Exception", "HasDescriptionCode"}


@command(examples=["explain WriteConflict", "explain databaselocked --json"])
@click.argument("code")
async def explain_command(context: Context, code: str) -> None:
    """Say what an error means and what to do; CODE is the name of its class."""
    program = context.program
    kinds = {
        name: kind for each in program.errors for name, kind in imported(f"{each}:ERRORS").items()
    }
    known = {name.lower(): name for name in kinds}
    name = known.get(code.lower())
    if name is None:
        near = difflib.get_close_matches(code.lower(), known, n=3)
        hint = f"; did you mean {', '.join(known[each] for each in near)}?" if near else ""
        raise click.UsageError(f"no error is called {code}{hint}")
    kind = kinds[name]
    meaning = inspect.getdoc(kind) or ""
    remedy = program.worded(_remedy(program, name))
    bases = [each.__name__ for each in kind.__mro__[1:-1] if each.__name__ not in _TOO_GENERAL]
    row = {"name": name, "meaning": meaning, "remedy": remedy, "bases": bases, "page": kind.docs}
    lines = [name, "", meaning, "", f"What to do: {remedy}", ""]
    lines += [f"It is also: {', '.join(bases)}"] if bases else []
    lines.append(f"More: {kind.docs}")
    context.show("errors", [row], lines)


def _remedy(program: Program, name: str) -> str:
    found = (imported(f"{each}:REMEDIES") for each in program.errors)
    return next(str(remedies[name]) for remedies in found if name in remedies)


@command(examples=["config show --origin", "config --env production --json"])
@click.argument("action", type=click.Choice(["show"]), default="show")
@click.option("--origin", is_flag=True, help="Say where each comes from.")
async def config_command(context: Context, action: str, *, origin: bool) -> None:  # noqa: ARG001 - there is one
    """Show the settings; secrets are not shown.

    A flag wins over the environment, that over pyproject.toml, that over the default.
    """
    project = context.project
    url = project.settings().safe_url if project.url.value is not None else None
    found = {"url": (url, project.url), "models": (project.models.value, project.models)}
    found["folder"] = (project.folder.value, project.folder)
    names = context.program.variables
    rows = [
        {"name": name, "value": value, "origin": setting.origin}
        for name, (value, setting) in found.items()
        if name in names
    ]
    lines = (
        f"{row['name']:<7} {row['value'] or '-'}" + (f"  ({row['origin']})" if origin else "")
        for row in rows
    )
    context.show("settings", rows, lines)


COMMANDS: Final = {
    str(each.name): each
    for each in (
        explain_command,
        config_command,
    )
}
