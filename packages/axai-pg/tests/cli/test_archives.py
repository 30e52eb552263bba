"""An organisation is taken elsewhere by the command."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Organization
from axai_pg.utils.sample_data import ACME, load

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.slow]

Call: TypeAlias = "Callable[..., Any]"
NIL = str(uuid.UUID(int=0))


@pytest.fixture(autouse=True)
def samples(schema_url: str) -> None:
    """Fill the database: Acme, Globex, and two organisations with one name."""
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    with manager.system_scope("test") as session:
        load(session)
        session.add_all([Organization(name="Twin"), Organization(name="Twin")])
    manager.dispose()


def test_an_organisation_is_written_by_name_and_read_under_another_key(on: Call) -> None:
    other = str(uuid.uuid4())

    written = on("export-org", "Acme", "acme.tar.gz")
    looked = on("import-org", "acme.tar.gz", "--dry-run")
    read = on("import-org", "acme.tar.gz", "--org-id", other, "--json")

    assert written.code == 0, written.err
    assert f"rows of Acme ({ACME})" in written.out.splitlines()[-1]
    assert "        3 documents\n" in written.out
    assert "hashes of passwords are left out" in written.err
    assert looked.out == written.out
    assert looked.err.splitlines() == [
        "administrators: 0",
        "users come without passwords; --with-secrets takes hashes from the archive",
        "nothing was imported: sizes and checksums are those that the archive names",
    ]
    assert "administrators: 0" in read.err
    [found] = json.loads(read.out)["organizations"]
    assert (found["id"], found["administrators"]) == (other, 0)
    assert {part["table"]: part["rows"] for part in found["tables"]}["documents"] == 3


def test_an_organisation_is_written_by_key_with_secrets(on: Call) -> None:
    done = on("export-org", str(ACME), "acme", "--with-secrets")

    assert (done.code, done.err) == (0, "")
    assert "hashed_password" in Path("acme/users.ndjson").read_text()

    other = str(uuid.uuid4())
    read = on("import-org", "acme", "--org-id", other, "--with-secrets")
    assert (read.code, read.err) == (0, "administrators: 0\n")


def test_what_is_there_is_not_mixed_with_what_comes(on: Call) -> None:
    on("export-org", "Acme", "acme.zip")

    done = on("import-org", "acme.zip")

    assert done.code == 1
    assert "has rows (" in done.err
    assert "axai-pg explain OrganizationNotEmpty says more" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export-org", "Nobody", "a.zip"), 1, "Organization Nobody does not exist"),
        (("export-org", "Twin", "a.zip"), 2, "several organisations are called Twin: name one of"),
        (("export-org", "Acme", "a.rar"), 2, "says no form of an archive"),
        (("import-org", "a.zip"), 2, "there is no archive a.zip"),
        (("import-org", "notes.zip"), 5, "notes.zip cannot be read"),
        (("import-org", "notes.zip", "--org-id", "x"), 2, "'x' is not a valid UUID"),
        (("import-org", "notes.zip", "--org-id", NIL), 2, "no organisation has the nil UUID"),
    ],
)
def test_what_makes_no_sense_is_refused(
    on: Call, arguments: tuple[str, ...], code: int, said: str
) -> None:
    Path("notes.zip").write_text("milk, bread")

    done = on(*arguments)

    assert done.code == code
    assert said in done.said
