"""Write the pages of the commands from what they say of themselves.

``python scripts/commands.py`` prints them; ``--write`` puts them into the documentation.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import andamios_command
import axai_command
import project_architect_command
from andamios_command.program import Program

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
PAGES = {
    REFERENCE / "commands.md": andamios_command.PROGRAM,
    REFERENCE / "project-architect-commands.md": project_architect_command.PROGRAM,
    REFERENCE / "axai-pg-commands.md": axai_command.PROGRAM,
}
BEGIN = "<!-- the commands: written by scripts/commands.py -->\n"


def page(path: Path) -> str:
    """Return the text of a page: what stands before the mark, and the commands."""
    before, _, _ = path.read_text(encoding="utf-8").partition(BEGIN)
    return "\n".join([before + BEGIN, *_groups(PAGES[path])])


def _groups(program: Program) -> Iterator[str]:
    for group, names in program.commands.items():
        yield f"## {group}\n"
        for name in names:
            yield from _command(program, program.command(name), program.name)


def _command(program: Program, command: click.Command, parent: str) -> Iterator[str]:
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    arguments = "".join(
        f" {name}" if each.required else f" [{name}]"
        for each in command.params
        if isinstance(each, click.Argument) and (name := each.metavar or str(each.name).upper())
    )
    full = f"{parent} {command.name}"
    yield f"### `{full}{arguments}`\n"
    yield f"{text.strip()}\n"
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _command(program, each, full)
        return
    yield "```shell"
    yield inspect.cleandoc(examples).rstrip()
    yield "```\n"
    common = {"env", "as_json", "quiet", "verbose", "debug", *program.variables}
    own = [
        each
        for each in command.params
        if isinstance(each, click.Option) and each.name not in common
    ]
    for option in own:
        yield f"- `{', '.join(option.opts)}`: {option.help or ''}"
    if own:
        yield ""


if __name__ == "__main__":
    for found in PAGES:
        if sys.argv[1:] == ["--write"]:
            found.write_text(page(found), encoding="utf-8")
        else:
            print(page(found))
