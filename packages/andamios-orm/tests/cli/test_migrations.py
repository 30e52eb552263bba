"""The commands for migrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(6)]

Call: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def on(call: Call, project: str, url: str) -> Call:
    """Return what runs a command on the database of the project."""

    def run(name: str, *arguments: str) -> Any:
        return call(name, "--url", url, "--models", project, *arguments)

    return run


@pytest.fixture
def begun(on: Call) -> str:
    """Make the folder and the first revision, and return its id."""
    assert on("init").code == 0
    done = on("revision", "first tables", "--json")
    assert done.code == 0, done.err
    found: str = json.loads(done.out)["revisions"][0]["id"]
    return found


def test_a_project_goes_from_nothing_to_no_difference(on: Call) -> None:
    made = on("init")
    written = on("revision", "first tables")
    ran = on("migrate")
    checked = on("check")

    assert (made.out, made.err) == ("migrations\n", "next: andamios-orm revision 'first tables'\n")
    assert Path(written.out.strip()).is_file()
    assert written.err == "next: read it, then andamios-orm migrate\n"
    assert ran.out.endswith(" first tables\n")
    assert ran.err.startswith("upgrade ")
    assert (checked.code, checked.out, checked.err) == (0, "", "nothing differs\n")
    assert on("migrate").err == "nothing is pending\n"
    assert on("revision", "nothing").err.startswith("the database is as the models say")


def test_check_ends_with_3_for_what_is_pending_or_differs(on: Call, begun: str) -> None:
    done = on("check", "--json")

    assert done.code == 3
    assert done.err.endswith("differences\n")
    found = json.loads(done.out)
    assert found["schema_version"] == 1
    assert {"kind": "pending", "place": begun, "text": f"{begun} first tables is pending"} in found[
        "differences"
    ]


def test_history_marks_what_is_pending(on: Call, begun: str) -> None:
    assert on("history").out == f"* {begun} first tables\n"
    assert on("current").err == "the database is at no revision\n"
    on("migrate")
    assert on("history").out == f"  {begun} first tables\n"
    assert on("current").out == f"{begun} first tables\n"


def test_a_dry_run_prints_the_sql_and_changes_nothing(on: Call, begun: str) -> None:
    done = on("migrate", "--dry-run")

    assert done.out.startswith(f"-- upgrade {begun} first tables\n")
    assert "CREATE TABLE book" in done.out
    assert on("current").out == ""
    assert "CREATE TABLE book" in on("migrate", "--sql").out


def test_downgrade_asks_before_it_undoes(on: Call, begun: str) -> None:
    on("migrate")

    refused = on("downgrade", "base")
    shown = on("downgrade", "base", "--dry-run")
    done = on("downgrade", "base", "--yes", "--quiet")

    assert refused.code == 2
    assert f"this undoes {begun}; to do that without being asked, pass --yes" in " ".join(
        refused.err.replace("│", " ").split()
    )
    assert "DROP TABLE book" in shown.out
    assert (done.code, done.out, done.err) == (0, f"{begun} first tables\n", "")
    assert on("current").out == ""


def test_stamp_says_where_the_database_is(on: Call, begun: str) -> None:
    assert on("stamp").out == f"{begun} first tables\n"
    assert on("stamp", "base").err == "the database is at no revision\n"


def test_db_reset_removes_everything_and_migrates_anew(on: Call, begun: str, url: str) -> None:
    on("migrate")

    shown = on("db-reset", "--dry-run")
    refused = on("db-reset")
    done = on("db-reset", "--yes")
    twice = on("db-reset", "--yes")
    again = on("db-reset", "--yes", "--no-backup")

    assert "book: 0 rows" in shown.out
    assert refused.code == 2
    assert (done.code, twice.code, again.code) == (0, 0, 0)
    assert done.out == again.out == f"{begun} first tables\n"
    assert ("kept: " in done.err) == url.startswith("duckdb")
    assert on("check").code == 0


def test_db_reset_removes_sequences_and_types_too(on: Call, begun: str) -> None:
    path = next(Path("migrations/versions").glob("*.py"))
    more = "    op.create_sequence('s')\n    op.create_enum('e', ['a', 'b'])\n"
    head = "def upgrade() -> None:\n"
    path.write_text(path.read_text().replace(head, head + more))
    on("migrate")

    assert on("db-reset", "--yes", "--no-backup").code == 0
    assert on("check").code == 3  # the models have neither


@pytest.mark.slow
def test_db_reset_of_an_empty_database_keeps_no_copy(on: Call) -> None:
    on("init")

    done = on("db-reset", "--yes")

    assert (done.code, done.err) == (0, "there are no revisions\n")


def test_a_failure_is_one_line_with_a_hint(on: Call, begun: str) -> None:
    done = on("migrate", "zz")
    traced = on("migrate", "zz", "--debug")

    assert done.code == 1
    assert done.err == (
        f"andamios-orm: no revision is called 'zz'; there are: {begun}\n"
        f"  andamios-orm explain RevisionUnknown says more\n"
    )
    assert traced.err.startswith("Traceback")


def test_migrate_goes_down_as_well(on: Call, begun: str) -> None:
    on("migrate", "--to", begun)
    shown = on("migrate", "--down", "1", "--dry-run")
    refused = on("migrate", "--down", "1")
    done = on("migrate", "--down", "1", "--yes")

    assert f"downgrade {begun} first tables" in shown.out
    assert refused.code == 2
    assert f"this undoes {begun}" in " ".join(refused.err.replace("│", " ").split())
    assert (done.code, done.out) == (0, f"{begun} first tables\n")
    assert on("current").err == "the database is at no revision\n"


@pytest.mark.slow
def test_migrate_may_only_look(on: Call, begun: str) -> None:
    pending = on("migrate", "--check")
    on("migrate")
    done = on("migrate", "--check")

    assert (pending.code, pending.out) == (3, f"{begun} first tables\n")
    assert (done.code, done.out, done.err) == (0, "", "nothing is pending\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("head", "--down", "1"), "TARGET and --down exclude each other: each of them says where"),
        (("head", "--to", "a", "--down", "1"), "TARGET and --to and --down exclude each other"),
        (("--check", "--dry-run"), "--dry-run and --check exclude each other"),
        (("--dry-run", "--sql"), "--dry-run and --sql exclude each other"),
        (("--check", "--sql"), "--check and --sql exclude each other"),
        (("head", "--check"), "--check and TARGET exclude each other: --check looks at all"),
        (("--to", "head", "--check"), "--check and --to exclude each other"),
        (("--down", "1", "--check"), "--check and --down exclude each other"),
        (("--down", "1", "--sql"), "--sql and --down exclude each other: --sql goes up from"),
        (("--sql", "--json"), "--sql and --json exclude each other: --sql prints SQL"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
@pytest.mark.slow
def test_migrate_refuses_what_it_would_ignore(
    on: Call, begun: str, arguments: tuple[str, ...], reason: str
) -> None:
    on("migrate")

    done = on("migrate", *arguments, "--yes")

    assert done.code == 2
    assert reason in " ".join(done.err.replace("│", " ").split())
    assert on("current").out == f"{begun} first tables\n"


def test_a_call_of_migrate_that_is_refused_opens_no_database(call: Call, project: str) -> None:
    done = call(
        *("migrate", "--models", project, "--url", "duckdb:///new.duckdb"),
        *("--down", "1", "--check"),
    )

    assert done.code == 2
    assert "exclude each other" in done.err
    assert not Path("new.duckdb").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate", "--check"),
        ("migrate", "--dry-run"),
        ("check",),
        ("current",),
        ("history",),
        ("doctor",),
        ("schema",),
        ("backup", "copy.duckdb"),
        ("analyze",),
        ("migrate", "--down", "1", "--dry-run"),
    ],
    ids=" ".join,
)
def test_what_only_looks_makes_no_file(
    call: Call, project: str, arguments: tuple[str, ...]
) -> None:
    named = ("--models", project, "--url", "duckdb:///new.duckdb")
    call("init", *named)
    Path("new.duckdb").unlink(missing_ok=True)

    name, *rest = arguments
    done = call(name, *named, *rest)

    assert done.code in {0, 2, 3}, done.err
    assert not Path("new.duckdb").exists()
