"""Changes are deployed, reverted and verified by the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest

from andamios_orm.cli.running import Context
from axai_pg.migrations import deploy, read_plan

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"
NAMES = [change.name for change in read_plan().changes]


def test_nothing_is_pending_where_all_is_deployed(on_shared: Call) -> None:
    done = on_shared("migrate", "--check")

    assert (done.code, done.out, done.err) == (0, "", "nothing is pending\n")


@pytest.mark.slow
def test_changes_are_deployed_up_to_one_and_then_all(call: Call, empty_url: str) -> None:
    where = ("--url", empty_url)
    pending = call("migrate", "--check", *where)
    dry = call("migrate", "--to", NAMES[1], "--dry-run", *where)
    some = call("migrate", "--to", NAMES[1], *where)
    past = call("migrate", "--to", NAMES[0], "--dry-run", *where)
    rest = call("migrate", "--no-verify", "--json", *where)
    again = call("migrate", *where)

    assert (pending.code, pending.out.split()) == (3, NAMES)
    assert dry.out.split() == some.out.split() == NAMES[:2]
    assert (past.out, past.err) == ("", "nothing is pending\n")
    assert [row["change"] for row in json.loads(rest.out)["changes"]] == NAMES[2:]
    assert (again.code, again.err) == (0, "nothing was pending\n")


@pytest.mark.slow
def test_changes_are_reverted_by_name_by_number_and_all(on: Call) -> None:
    dry = on("revert", "--last", "1", "--dry-run")
    one = on("revert", "--last", "1", "--yes")
    to = on("revert", NAMES[4], "--yes")
    none = on("revert", NAMES[4], "--yes")
    rest = on("revert", "--all", "--yes")
    nothing = on("revert", "--last", "20", "--dry-run")

    backwards = NAMES[::-1]
    assert dry.out == one.out == f"{NAMES[-1]}\n"
    assert to.out.split() == backwards[1:-5]
    assert none.err == "nothing was reverted\n"
    assert rest.out.split() == backwards[-5:]
    assert nothing.err == "nothing would be reverted\n"


@pytest.mark.slow
def test_what_was_deployed_while_it_asked_is_not_reverted(
    on: Call, schema_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("revert", "--last", "1", "--yes")
    asked: list[str] = []

    def confirm(_context: Context, loss: str) -> None:
        asked.append(loss)
        deploy(schema_url)

    monkeypatch.setattr(Context, "confirm", confirm)
    done = on("revert", "--last", "1")

    assert f"this reverts {NAMES[-2]}, with" in asked[0]
    assert done.code == 1
    assert f"it would revert {NAMES[-1]}, {NAMES[-2]} now; look again" in done.said
    assert on("migrate", "--check").code == 0


def test_a_revert_asks_before(on_shared: Call) -> None:
    done = on_shared("revert", "--last", "1")

    assert done.code == 2
    assert f"this reverts {NAMES[-1]}, with all rows of their tables" in done.said
    assert "pass --yes" in done.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("revert",), "say how far: one of CHANGE, --last N and --all"),
        (("revert", "--all", "--last", "1"), "say how far"),
        (("revert", "x"), "there is no change x here; there are: 20261129_0001_foundation, "),
        (("revert", "--last", "0"), "0 is not in the range x>=1"),
        (("migrate", "--to", "x", "--dry-run"), "there is no change x here"),
        (("migrate", "--to", "x"), "there is no change x here; there are: 20261129_0001_foun"),
        (("migrate", "--check", "--to", "x"), "--check looks at all that is pending"),
        (("migrate", "--check", "--dry-run"), "--check looks at all that is pending"),
    ],
)
def test_what_makes_no_sense_is_refused(
    on_shared: Call, arguments: tuple[str, ...], said: str
) -> None:
    done = on_shared(*arguments)

    assert done.code == 2
    assert said in done.said


def test_what_is_as_it_should_be_verifies(on_shared: Call) -> None:
    done = on_shared("verify")

    assert (done.code, done.out) == (0, "")
    assert done.err == "each change is as it should be\n"


@pytest.mark.slow
def test_what_is_not_as_it_should_be_does_not_verify(on: Call, schema_url: str) -> None:
    with psycopg.connect(schema_url.replace("+psycopg", "")) as connection:
        connection.execute("ALTER TABLE summaries NO FORCE ROW LEVEL SECURITY")

    done = on("verify")

    assert done.code == 3
    assert done.out == "20261129_0004_topics: summaries lacks row security that is forced\n"
