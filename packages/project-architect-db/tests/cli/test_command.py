"""The command as a whole: its help, its examples, what it imports."""

from __future__ import annotations

import importlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import pytest

import andamios_command
from project_architect_command import COMMANDS, PROGRAM
from project_architect_db.cli.remedies import ERRORS, REMEDIES
from project_architect_db.importers import errors

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(20)]

Call: TypeAlias = "Callable[..., Any]"
SERVER = "postgresql://architect@db.example.com/architect"
NAMES = list(PROGRAM.listed)
NOT_HERE = {"Development"}


def commands(name: str) -> list[click.Command]:
    """Return a command, or those below it."""
    command = PROGRAM.command(name)
    return list(command.commands.values()) if isinstance(command, click.Group) else [command]


def _is_error(each: object) -> bool:
    return (
        isinstance(each, type)
        and each.__module__ == errors.__name__
        and issubclass(each, Exception)
    )


@pytest.mark.slow
def test_help_lists_every_command(call: Call) -> None:
    done = call("--help")

    assert done.code == 0
    assert all(f"│ {name} " in done.out for name in NAMES)


@pytest.mark.slow
def test_help_is_told_quickly_without_the_libraries_that_do_the_work() -> None:
    program = """
import sys
from project_architect_command import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"sqlalchemy", "duckdb", "alembic", "pydantic", "andamios_orm", "project_architect_db"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_begins_as_the_list_says_and_names_this_program(call: Call, name: str) -> None:
    listed = PROGRAM.listed[name]

    done = call(name, "--help")

    assert done.code == 0
    assert f"project-architect-db {name}" in done.out
    assert "andamios-orm" not in done.out
    if name not in COMMANDS["Development"]:
        first, second, *_ = listed.summary.rstrip(".").split()
        assert f" {first} {second}" in " ".join(done.out.split())


def test_what_another_program_does_as_well_is_its_task() -> None:
    shared = [name for name, each in PROGRAM.listed.items() if "andamios" in each.module]

    for name in shared:
        listed = PROGRAM.listed[name]
        task = importlib.import_module(listed.module).COMMANDS[listed.task or name]
        other = andamios_command.PROGRAM.command(listed.task or name)
        assert task.of(PROGRAM, name).name == name
        assert {each.name for each in other.params} - {"models", "folder"} == {
            each.name for each in PROGRAM.command(name).params
        }
    assert len(shared) == 21


def test_a_module_lists_no_task_that_is_not_a_command() -> None:
    listed = [each for each in PROGRAM.listed.values() if "project_architect" in each.module]

    for module in {each.module for each in listed}:
        tasks = importlib.import_module(module).COMMANDS
        assert set(tasks) <= set(NAMES)


def test_the_version_is_that_of_the_package(call: Call) -> None:
    from project_architect_db import __version__

    assert call("--version").out == f"project-architect-db, version {__version__}\n"


def test_the_settings_come_from_its_own_section(call: Call) -> None:
    Path("pyproject.toml").write_text(
        '[tool.andamios]\nurl = "duckdb:///other.duckdb"\n'
        '[tool.project_architect_db]\nurl = "duckdb:///plans.duckdb"\n'
        "[tool.project_architect_db.environments.live]\n"
        'url = "postgresql://me:secret@host/live"\n'
    )

    plain = call("config", "--origin")
    live = json.loads(call("config", "--env", "live", "--json").out)["settings"]
    none = call("config", "--env", "test")

    assert plain.out == (
        "url     duckdb:///plans.duckdb  (pyproject.toml [tool.project_architect_db])\n"
    )
    assert [row["value"] for row in live] == ["postgresql://me:***@host/live"]
    assert "no [tool.project_architect_db.environments.test]; there are: live" in none.err


def test_each_error_of_the_importers_has_a_remedy() -> None:
    assert {each for each in vars(errors).values() if _is_error(each)} <= set(ERRORS.values())
    assert list(ERRORS) == sorted(REMEDIES)


@pytest.mark.parametrize("name", ["CloneDamaged", "FileRefused", "WriteConflict"])
def test_errors_of_both_packages_are_explained(call: Call, name: str) -> None:
    done = call("explain", name.lower())

    assert done.code == 0
    assert done.out.startswith(f"{name}\n\n")


def test_a_remedy_names_the_command_of_this_program(call: Call) -> None:
    done = call("explain", "MissingTable")

    assert "Create it: project-architect-db migrate; project-architect-db check" in done.out


@pytest.mark.slow
@pytest.mark.sampled(24)
@pytest.mark.db
@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_command_run(
    call: Call,
    name: str,
    shop: Path,
    prepared: Callable[[str], None],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("pyproject.toml").write_text(
        "[tool.project_architect_db.environments.test]\n"
        "[tool.project_architect_db.environments.production]\n"
    )
    Path("report.sql").write_text("SELECT 1")
    Path("report.py").write_text("print(1)")
    prepared(name)
    lines = [
        line
        for command in commands(name)
        for line in re.findall(r"^ *(project-architect-db .*)$", command.help or "", re.MULTILINE)
    ]
    if name in COMMANDS["Development"]:
        assert lines == [f"project-architect-db {name} --dry-run"]
    else:
        assert len(lines) >= 2

    for line in lines:
        arguments, _, source = line.partition(" < ")
        if SERVER in arguments:
            arguments = arguments.replace(SERVER, request.getfixturevalue("server_url"))
        if source:
            monkeypatch.setattr(
                sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(source).read_bytes()))
            )
        done = call(*shlex.split(arguments)[1:])
        assert done.code == 0, (line, done.err)
