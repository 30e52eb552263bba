"""The commands that explain: what an error means, and where a setting comes from."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm import exceptions
from andamios_orm.cli.running import command

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context


@command(examples=["explain WriteConflict", "explain databaselocked --json"])
@click.argument("code")
async def explain_command(context: Context, code: str) -> None:
    """Say what an error means and what to do; CODE is the name of its class."""
    known = {name.lower(): name for name in exceptions.__all__}
    name = known.get(code.lower())
    if name is None:
        near = difflib.get_close_matches(code.lower(), known, n=3)
        hint = f"; did you mean {', '.join(known[each] for each in near)}?" if near else ""
        raise click.UsageError(f"no error is called {code}{hint}")
    kind = getattr(exceptions, name)
    meaning = inspect.getdoc(kind) or ""
    bases = [each.__name__ for each in kind.__mro__[1:-1]]
    row = {"name": name, "meaning": meaning, "bases": bases, "page": kind.docs}
    lines = [name, "", meaning, "", f"It is also: {', '.join(bases)}", f"What to do: {kind.docs}"]
    context.show("errors", [row], lines)


@command(examples=["config", "config --env production --json"])
async def config_command(context: Context) -> None:
    """Show the settings and where each comes from; secrets are not shown."""
    project = context.project
    url = project.settings().safe_url if project.url.value is not None else None
    found = {"url": (url, project.url), "models": (project.models.value, project.models)}
    found["folder"] = (project.folder.value, project.folder)
    rows = [
        {"name": name, "value": value, "origin": setting.origin}
        for name, (value, setting) in found.items()
    ]
    lines = [f"{row['name']:<7} {row['value'] or '-'}  ({row['origin']})" for row in rows]
    context.show("settings", rows, lines)


COMMANDS: Final = {
    str(each.name): each
    for each in (
        explain_command,
        config_command,
    )
}
