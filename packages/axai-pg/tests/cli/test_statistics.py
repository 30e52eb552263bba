"""What organisations have is counted."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.utils.sample_data import ACME, load

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"


def rows(done: Any, name: str = "organizations") -> list[dict[str, Any]]:
    """Return the rows that were printed."""
    found: list[dict[str, Any]] = json.loads(done.out)[name]
    return found


@pytest.fixture
def samples(schema_url: str) -> None:
    """Fill the database of the test: two organisations, one with a changed document."""
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    with manager.system_scope("test") as session:
        load(session)
        session.flush()
        session.connection().exec_driver_sql(
            f"UPDATE documents SET content = repeat('abc', 1000) WHERE org_id = '{ACME}'"
        )
    manager.dispose()


@pytest.mark.usefixtures("samples")
def test_organisations_are_counted_the_largest_first(on: Call) -> None:
    found = rows(on("stats", "--json"))
    printed = on("stats", "--top", "1").out.splitlines()

    assert [row["name"] for row in found] == ["Acme", "Globex"]
    assert [row["versions"] for row in found] == [3, 0]
    assert found[0]["users"] == 2
    assert found[0]["documents"] == 3
    assert found[0]["bytes"] > found[1]["bytes"] > 0
    assert printed[0].split() == ["id", "name", "users", "documents", "versions", "bytes"]
    assert printed[2].startswith(f"{ACME}  Acme      2          3         3  ")
    assert len(printed) == 3


@pytest.mark.usefixtures("samples")
def test_one_organisation_is_asked_for_and_one_that_there_is_not(on: Call) -> None:
    unknown = uuid.uuid4()

    [found] = rows(on("stats", "--org", str(ACME), "--json"))
    none = on("stats", "--org", str(unknown))

    assert found["id"] == str(ACME)
    assert none.code == 1
    assert f"Organization {unknown} does not exist" in none.err


def test_tables_are_listed_by_size(on_shared: Call) -> None:
    done = on_shared("stats", "--tables", "--json", "--verbose")

    found = rows(done, "tables")
    sizes = [row["bytes"] + row["index_bytes"] for row in found]
    assert {"documents", "audit_log"} <= {row["name"] for row in found}
    assert sizes == sorted(sizes, reverse=True)
    assert re.search(
        r"^ +\d+\.\d ms  SELECT relname::text AS name, .* rows$", done.err, re.MULTILINE
    )


def test_no_organisation_is_none(on: Call) -> None:
    done = on("stats")

    assert done.out == "id  name\n--  ----\n"
    assert done.err == "there is no organisation; next: axai-pg seed\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--org", "acme"), "'acme' is not a valid UUID"),
        (("--top", "0"), "0 is not in the range x>=1"),
        (("--tables", "--org", str(ACME)), "--tables is of all organisations"),
    ],
)
def test_what_makes_no_sense_is_refused(
    on_shared: Call, arguments: tuple[str, ...], said: str
) -> None:
    done = on_shared("stats", *arguments)

    assert done.code == 2
    assert said in done.said
