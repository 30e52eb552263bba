"""The group of a program's commands: known by name and summary, imported to be run."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from andamios_command.program import Program

__all__ = ["group_of"]


class _Commands(click.RichGroup):
    """The commands of ``program``."""

    def __init__(self, *arguments: Any, program: Program, **options: Any) -> None:
        """Keep the program."""
        super().__init__(*arguments, **options)
        self.program = program

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the groups."""
        return list(self.program.listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return a command; only its name and summary, unless the shell completes one."""
        if ctx.resilient_parsing:
            return self.program.command(cmd_name)
        return click.RichCommand(name=cmd_name, help=self.program.listed[cmd_name].summary)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is run."""
        name, *rest = args
        known = self.program.listed
        if name not in known and ctx.resilient_parsing:
            return None, None, args
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known))
            ctx.fail(f"there is no command {name}" + (f"; did you mean {near}?" if near else ""))
        return name, self.program.command(name), rest


def group_of(program: Program) -> click.Group:
    """Return the group of all commands of ``program``."""
    groups = [{"name": name, "commands": list(found)} for name, found in program.commands.items()]

    @click.group(
        program.name,
        cls=_Commands,
        program=program,
        help=program.about,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.rich_config(help_config={"command_groups": {"*": groups}})
    @click.version_option(
        None, "--version", "-V", package_name=program.name, prog_name=program.name
    )
    def group() -> None: ...

    return group
