"""The command as a whole: its help, its list, what it imports."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_command import PROGRAM
from axai_pg import __version__, exceptions
from axai_pg.cli.remedies import ERRORS, REMEDIES
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.utils.sample_data import ACME, load

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(5)]

Call: TypeAlias = "Callable[..., Any]"
NAMES = list(PROGRAM.listed)
ENDLESS = "serve-test-db"


def python(program: str) -> str:
    """Return the last line that a program prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).splitlines()[-1]


def test_help_lists_every_command(call: Call) -> None:
    done = call("--help")

    assert done.code == 0
    assert all(f"│ {name} " in done.out for name in NAMES)


@pytest.mark.slow
def test_help_is_told_without_the_libraries_that_do_the_work() -> None:
    program = """
import sys
from axai_command import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"sqlalchemy", "psycopg", "duckdb", "pydantic", "andamios_orm", "axai_pg"}
print(sorted(heavy & set(sys.modules)))
"""

    assert python(program) == "[]"


@pytest.mark.slow
def test_the_extra_that_is_missing_is_named() -> None:
    program = """
import sys
sys.modules["rich_click"] = None
from axai_command import main
main(["--help"])
"""

    assert python(program) == "axai-pg: the command needs an extra: pip install 'axai-pg[cli]'"


@pytest.mark.parametrize("name", NAMES)
def test_each_command_begins_as_the_list_says_and_names_this_program(call: Call, name: str) -> None:
    done = call(name, "--help")

    assert done.code == 0
    assert f"axai-pg {name}" in done.out
    assert "andamios-orm" not in done.out
    first, second, *_ = PROGRAM.listed[name].summary.rstrip(".").split()
    assert f" {first} {second}" in " ".join(done.out.split())


@pytest.mark.parametrize("name", ["status", "init", "migrate", "check-isolation", "serve-test-db"])
def test_a_command_that_cannot_tell_of_statements_does_not_offer_it(call: Call, name: str) -> None:
    done = call(name, "--verbose")

    assert done.code == 2
    assert re.search("No such option:? '?--verbose", done.said)


def test_a_module_lists_no_task_that_is_not_a_command() -> None:
    listed = [each for each in PROGRAM.listed.values() if each.module.startswith("axai_pg")]

    for module in {each.module for each in listed}:
        assert set(importlib.import_module(module).COMMANDS) <= set(NAMES)


def test_the_version_is_that_of_the_package(call: Call) -> None:
    assert call("--version").out == f"axai-pg, version {__version__}\n"


def test_a_command_that_there_is_not_is_answered_with_those_near(call: Call) -> None:
    done = call("migrat")

    assert done.code == 2
    assert "there is no command migrat; did you mean migrate" in done.said


def test_the_shell_completes_names(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AXAI_PG_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "axai-pg check")
    monkeypatch.setenv("COMP_CWORD", "1")

    assert call().out == "plain,check-isolation\n"


def test_each_error_of_the_package_has_a_remedy() -> None:
    there = {name for name in exceptions.__all__ if name != "privileged"}

    assert there <= set(ERRORS)
    assert set(ERRORS) == set(REMEDIES)


@pytest.mark.parametrize("name", ["OrganizationRequired", "WriteConflict", "MissingTable"])
def test_errors_of_both_packages_are_explained(call: Call, name: str) -> None:
    done = call("explain", name.lower())

    assert done.code == 0
    assert done.out.startswith(f"{name}\n\n")
    assert "andamios-orm" not in done.out


@pytest.mark.slow
@pytest.mark.db
@pytest.mark.parametrize("name", [name for name in NAMES if name != ENDLESS])
def test_the_examples_of_a_command_run(on: Call, schema_url: str, name: str) -> None:
    lines = re.findall(r"^ *(axai-pg .*)$", PROGRAM.command(name).help or "", re.MULTILINE)
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    manager.isolation.warned = True
    with manager.system_scope("test") as session:
        load(session)
    if name == "import-org":
        for target in ("acme.zip", "acme"):
            assert on("export-org", "Acme", target).code == 0
        with manager.session_scope(org_id=ACME) as session:
            session.connection().exec_driver_sql("DELETE FROM organizations")
    manager.dispose()

    assert len(lines) >= 2
    for line in lines:
        done = on(*shlex.split(line)[1:])
        assert done.code == 0, (line, done.err)
