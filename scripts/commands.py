"""Write the page of the commands from what they say of themselves.

``python scripts/commands.py`` prints it; ``--write`` puts it into the documentation.
"""

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from andamios_command import commands

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "commands.md"
BEGIN = "<!-- the commands: written by scripts/commands.py -->\n"


def page() -> str:
    """Return the text of the page: what stands before the mark, and the commands."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return "\n".join([before + BEGIN, *_groups()])


def _groups() -> Iterator[str]:
    for group, names in commands.COMMANDS.items():
        module = importlib.import_module(commands._MODULES[group])  # noqa: SLF001 - its own page
        yield f"## {group}\n"
        for name in names:
            yield from _command(module.COMMANDS[name])


def _command(command: click.Command) -> Iterator[str]:
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    arguments = "".join(
        f" {name}" if each.required else f" [{name}]"
        for each in command.params
        if isinstance(each, click.Argument) and (name := str(each.name).upper())
    )
    yield f"### `andamios-orm {command.name}{arguments}`\n"
    yield f"{text.strip()}\n"
    yield "```shell"
    yield inspect.cleandoc(examples).rstrip()
    yield "```\n"
    common = {"url", "env", "models", "folder", "as_json", "quiet", "verbose", "debug"}
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
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
