"""The command as a whole: its help, its errors, what it imports."""

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

import pytest

from andamios_command import commands
from andamios_orm.cli import running
from andamios_orm.exceptions import (
    BackupFailed,
    ConfigurationError,
    DatabaseCorrupt,
    DatabaseLocked,
    DuplicateKey,
    MigrationRefused,
    QueryRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(12)]

Call: TypeAlias = "Callable[..., Any]"
SERVER = "postgresql://shop@db.example.com/shop"
NAMES = [name for group in commands.COMMANDS.values() for name in group]


def test_help_lists_every_command(call: Call) -> None:
    done = call("--help")

    assert done.code == 0
    assert all(f"│ {name} " in done.out for name in NAMES)


@pytest.mark.slow
def test_help_is_told_without_the_libraries_that_do_the_work() -> None:
    program = """
import sys
from andamios_command import main
try:
    main(["--help"])
except SystemExit:
    pass
print(sorted({"sqlalchemy", "duckdb", "alembic", "pydantic", "andamios_orm"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_begins_as_the_list_says_and_has_examples(call: Call, name: str) -> None:
    group, listed = next(
        (group, found[name]) for group, found in commands.COMMANDS.items() if name in found
    )
    module = importlib.import_module(listed.module)

    done = call(name, "--help")

    assert list(module.COMMANDS) == list(commands.COMMANDS[group])
    assert done.code == 0
    assert f"andamios-orm {name}" in done.out
    if group != "Development":
        first, second, *_ = listed.summary.rstrip(".").split()
        assert f" {first} {second}" in " ".join(done.out.split())


def test_the_version_is_that_of_the_package(call: Call) -> None:
    from andamios_orm import __version__

    assert call("--version").out == f"andamios-orm, version {__version__}\n"


def test_an_unknown_command_is_refused_with_those_that_are_near(call: Call) -> None:
    done, other = call("migrat"), call("xyzzy")

    assert (done.code, other.code) == (2, 2)
    assert "there is no command migrat; did you mean migrate?" in done.err
    assert "did you mean" not in other.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (QueryRefused("x"), 2),
        (DatabaseLocked("x"), 4),
        (DatabaseCorrupt("x"), 5),
        (DuplicateKey("x"), 5),
        (BackupFailed("x"), 5),
        (MigrationRefused("x"), 1),
        (OSError("x"), 1),
    ],
)
def test_exit_codes_are_those_of_the_help(error: Exception, code: int) -> None:
    assert running.exit_code(error) == code


def test_an_interrupted_command_ends_with_130(
    call: Call, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(work: Any) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", interrupt)

    done = call("config")

    assert (done.code, done.err) == (130, "andamios-orm: interrupted; nothing is half done\n")


def test_an_error_without_words_is_named(
    call: Call, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Any) -> None:
        work.close()
        raise OSError

    monkeypatch.setattr(running, "run", fail)

    assert call("config").err == "andamios-orm: OSError\n"


@pytest.mark.db
def test_each_statement_is_told_of(call: Call, project: str) -> None:
    done = call("query", "SELECT 'secret' AS name", "--url", "duckdb:///told.duckdb", "-v")
    failed = call("query", "SELECT nothing", "--url", "duckdb:///told.duckdb", "--verbose")

    assert re.search(r"^ +\d+\.\d ms  SELECT 'secret' AS name", done.err, re.MULTILINE)
    assert re.search(r"ms  SELECT nothing  \w+$", failed.err, re.MULTILINE)


@pytest.mark.db
def test_nothing_in_an_error_is_obeyed_by_a_terminal(call: Call) -> None:
    done = call("query", 'SELECT 1 AS "\x1b[2J" FROM "\x1b]0;x\x07"', "--url", "duckdb:///:memory:")

    assert done.code == 1
    assert "]0;x" in done.err
    assert not {"\x1b", "\x07"} & set(done.err)


@pytest.mark.db
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_a_person_is_asked(
    call: Call, project: str, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    url = "duckdb:///asked.duckdb"
    call("init", "--url", url)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    done = call("db-reset", "--url", url, "--models", project)

    assert done.code == code
    assert "this removes nothing. Go on?" in done.err


@pytest.mark.slow
def test_the_shell_completes_names_and_options(project: str) -> None:
    def completed(words: str, at: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from andamios_command import main; main()"],
            env={
                **__import__("os").environ,
                "_ANDAMIOS_ORM_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(at),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.partition(",")[2] for line in done.stdout.split()]

    assert completed("andamios-orm mig", 1) == ["migrate"]
    assert "--dry-run" in completed("andamios-orm migrate --dr", 2)
    assert completed("andamios-orm migrat --dr", 2) == []


def test_results_for_programs_say_their_version(call: Call, project: str) -> None:
    assert json.loads(call("config", "--json").out)["schema_version"] == 1


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.db
@pytest.mark.parametrize("name", [name for name in NAMES if name != "init"])
def test_the_examples_of_a_command_run(
    call: Call,
    project: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    command = commands.PROGRAM.command(name)
    lines = re.findall(r"^ *(andamios-orm .*)$", command.help or "", re.MULTILINE)
    Path("pyproject.toml").write_text(
        f'[tool.andamios]\nurl = "duckdb:///shop.duckdb"\nmodels = "{project}"\n'
        f"[tool.andamios.environments.test]\n[tool.andamios.environments.production]\n"
    )
    Path("report.sql").write_text("SELECT 1")
    Path("report.py").write_text("print(1)")
    call("init")
    call("revision", "first tables")
    if name not in {"revision", "migrate"}:
        call("migrate")
    if name == "restore":
        call("backup", "shop-monday.duckdb")

    for line in lines:
        arguments, _, source = line.partition(" < ")
        if SERVER in arguments:
            arguments = arguments.replace(SERVER, request.getfixturevalue("postgres_url"))
        if source:
            monkeypatch.setattr(sys, "stdin", io.StringIO(Path(source).read_text()))
        if name == "revision":
            call("migrate")
        done = call(*shlex.split(arguments)[1:])
        assert done.code == 0, done.err

    assert lines
