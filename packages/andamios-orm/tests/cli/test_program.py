"""A command of another program: the same tasks, in its words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from andamios_command import PROGRAM
from andamios_command.program import Listed, Program
from andamios_orm.cli.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(4)]

Call: TypeAlias = "Callable[..., Any]"

SHOP = Program(
    name="andamios-orm",  # its version is that of the distribution of this name
    about="Look after the shop.",
    commands={
        "Shop": {
            "doctor": Listed("Look for what is wrong.", "andamios_orm.cli.databases"),
            "sizes": Listed("Show sizes.", "andamios_orm.cli.maintenance", task="analyze"),
            "tidy": Listed(
                "Give room back.", "andamios_orm.cli.maintenance", "vacuum", ("tidy --dry-run",)
            ),
            "try": Listed("Run the tests.", "andamios_orm.cli.development", task="test"),
        },
    },
    section="shop",
    variables={"url": "SHOP_URL"},
    defaults={"url": "duckdb:///shop.duckdb", "models": None, "folder": None},
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("andamios-orm vacuum writes it anew", "andamios-shop tidy writes it anew"),
        ("andamios-orm analyze, andamios-orm doctor", "andamios-shop sizes, andamios-shop doctor"),
        ("andamios-orm migrate", "andamios-orm migrate"),
        ("pip install andamios-orm", "pip install andamios-orm"),
    ],
)
def test_texts_of_the_libraries_name_the_commands_of_the_program(text: str, said: str) -> None:
    program = replace(SHOP, name="andamios-shop")

    assert program.worded(text) == said
    assert PROGRAM.worded(text) == text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["doctor"]),
        (["--json"], ["doctor", "--json"]),
        (["sizes"], ["sizes"]),
        (["--help"], ["--help"]),
        (["-V"], ["-V"]),
    ],
)
def test_a_program_may_be_one_of_its_commands_by_itself(given: list[str], meant: list[str]) -> None:
    assert replace(SHOP, bare="doctor")._with_command(given) == meant
    assert SHOP._with_command(given) == given


def test_a_task_is_a_command_under_any_name() -> None:
    sizes, tidy = SHOP.command("sizes"), SHOP.command("tidy")

    assert "  andamios-orm sizes --url duckdb:///shop.duckdb --json\n" in str(sizes.help)
    assert str(tidy.help).endswith("Examples:\n  andamios-orm tidy --dry-run\n")
    assert "andamios-orm try --dry-run" in str(SHOP.command("try").help)


def test_a_task_takes_the_settings_that_its_program_leaves_open() -> None:
    def options(program: Program, name: str) -> list[str | None]:
        return [each.name for each in program.command(name).params]

    once, again = options(SHOP, "sizes"), options(SHOP, "sizes")

    assert once == again
    assert options(PROGRAM, "analyze")[:4] == ["url", "models", "folder", "env"]
    assert once[:2] == ["url", "env"]
    assert len(options(PROGRAM, "vacuum")) == len(options(SHOP, "tidy")) + 2


def test_a_setting_that_is_fixed_is_not_asked_for(
    project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDAMIOS_MODELS", "other:Base")
    fixed = replace(SHOP, defaults={**SHOP.defaults, "models": project})

    found = Project.load({}, program=fixed, variables={"SHOP_URL": "duckdb:///env.duckdb"})

    assert (found.url.value, found.url.origin) == ("duckdb:///env.duckdb", "SHOP_URL")
    assert (found.models.value, found.models.origin) == (project, "andamios-orm")


def test_without_its_extra_a_program_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rich_click", None)

    with pytest.raises(SystemExit) as ended:
        replace(SHOP, name="shop").run([])

    assert ended.value.code == "shop: the command needs an extra: pip install 'shop[cli]'"


SHOPPING = """
import click
from andamios_orm.cli.checking import Finding
from andamios_orm.cli.running import TaskGroup, command
from andamios_orm.migration import MigrationManager
from sqlalchemy import MetaData, text

@command(examples=["milk", "milk --json"])
@click.argument("count", type=int, default=1)
async def milk_command(context, count):
    \"\"\"Buy milk.\"\"\"
    async with context.database() as database, database.session() as session:
        bought = await session.scalar(text("SELECT count(*) FROM shelf"))
    line = f"{count * bought} of {context.program.name}"
    context.show("bought", [{"count": count * bought}], [line])

COMMANDS = {"buy": TaskGroup("Buy something.", {"milk": milk_command})}

async def prepare(context, database):
    context.say("the shelf is made")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE shelf AS SELECT 1 AS a"))

async def findings(project, database, access):
    yield Finding("shelf", "warn", f"it is dusty, access is {access.state}")

class Manager(MigrationManager):
    def __init__(self, database, **options):
        super().__init__(database, MetaData(), "ours", **options)
"""


@pytest.fixture
def shopping(call: Call, project: str, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return what runs a program with a task of its own, and places for what it needs."""
    module = f"shopping_{project.partition(':')[0]}"
    Path(f"{module}.py").write_text(SHOPPING)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    program = replace(
        SHOP,
        commands={**SHOP.commands, "Buy": {"buy": Listed("Buy something.", module)}},
        prepare=f"{module}:prepare",
        findings=f"{module}:findings",
        manager=f"{module}:Manager",
    )

    def run(*arguments: str) -> Any:
        return call(*arguments, program=program)

    return run


@pytest.mark.db
def test_a_database_is_made_usable_for_the_task_that_needs_it(shopping: Call) -> None:
    done = shopping("buy", "milk", "3")

    assert (done.code, done.out, done.err) == (0, "3 of andamios-orm\n", "the shelf is made\n")


def test_tasks_below_a_command_have_its_name_in_their_help(shopping: Call) -> None:
    group, task = shopping("buy", "--help"), shopping("buy", "milk", "--help")

    assert "Buy something." in group.out
    assert "│ milk " in group.out
    assert "andamios-orm buy milk --json" in task.out


@pytest.mark.db
def test_the_doctor_of_a_program_looks_at_more(shopping: Call) -> None:
    done = shopping("doctor")

    assert "warn shelf: it is dusty, access is ok\n" in done.out
    assert "warn migrations: there are no migrations in ours" in done.out


@pytest.mark.db
def test_a_database_that_is_not_there_is_not_made_by_looking_after_it(shopping: Call) -> None:
    done = shopping("sizes")

    assert done.code == 2
    assert "there is no database shop.duckdb: andamios-orm init makes it" in done.err
