"""A person is erased by the command."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Document, User
from axai_pg.utils.sample_data import ACME, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.slow]

Call: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def manager(schema_url: str) -> Iterator[DatabaseManager]:
    """Yield the manager of a database with Acme, whose documents are those of ana."""
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    manager.isolation.warned = True
    with manager.system_scope("test") as session:
        load(session)
    yield manager
    manager.dispose()


def users(manager: DatabaseManager) -> set[str]:
    """Return the names of the users of Acme."""
    with manager.session_scope(org_id=ACME) as session:
        return {name for (name,) in session.query(User.username)}


def test_a_person_is_erased_and_the_documents_are_handed_over(
    on: Call, manager: DatabaseManager
) -> None:
    arguments = ("erase-user", "Acme", "ANA@example.org", "--documents", "reassign", "--to", "ben")

    dry = on(*arguments, "--dry-run")
    untouched = users(manager)
    asked = on(*arguments)
    done = on(*arguments, "--yes", "--json", "--verbose")
    key = json.loads(done.out)["erased"][0]["user_id"]
    again = on("erase-user", str(ACME), key, "--documents", "reassign", "--to", "ben", "--yes")

    assert dry.code == 0, dry.err
    assert " documents\n" in dry.out
    assert dry.err == "nothing was erased: this is what would be\n"
    assert untouched == {"ana", "ben"}
    assert f"this erases ana <ana@example.org>, {key}, from " in asked.said
    assert "rows, for good; to do that without being asked, pass --yes" in asked.said
    assert json.loads(done.out)["erased"][0]["is_dry_run"] is False
    assert " ms  SELECT users.id, " in done.err
    assert "ana@" not in done.err.lower()
    assert "ana" not in users(manager)
    assert again.err == "this user was erased before\nnothing was erased\n"
    with manager.session_scope(org_id=ACME) as session:
        assert session.query(Document).count() == 3


def test_what_an_erased_user_got_since_is_erased_as_well(
    on: Call, manager: DatabaseManager
) -> None:
    arguments = ("erase-user", "Acme", "--documents", "erase")
    done = on(*arguments, "ana", "--yes", "--json")
    key = json.loads(done.out)["erased"][0]["user_id"]
    with manager.session_scope(org_id=ACME) as session:
        session.add(Document(title="Late", content="x", owner_id=uuid.UUID(key)))

    dry = on(*arguments, key, "--dry-run")
    asked = on(*arguments, key)
    again = on(*arguments, key, "--yes")

    before = "this user was erased before\n"
    assert dry.err == f"{before}nothing was erased: this is what would be\n"
    assert f"@erased.invalid>, {key}, from 1 rows" in asked.said
    assert (again.code, again.err) == (0, before)
    with manager.session_scope(org_id=ACME) as session:
        assert session.query(Document).count() == 0


def test_a_key_is_no_name(on: Call, manager: DatabaseManager) -> None:
    with manager.session_scope(org_id=ACME) as session:
        [(key,)] = session.query(User.id).filter(User.username == "ana")
        session.add(User(username=str(key), email="eve@example.org"))

    done = on("erase-user", "Acme", str(key), "--documents", "erase", "--yes", "--json")

    assert json.loads(done.out)["erased"][0]["user_id"] == str(key)
    assert users(manager) >= {"ben", str(key)}


def test_documents_are_erased_with_the_person(on: Call, manager: DatabaseManager) -> None:
    done = on("erase-user", "Acme", "ana", "--documents", "erase", "--yes")

    assert done.code == 0, done.err
    with manager.session_scope(org_id=ACME) as session:
        assert session.query(Document).count() == 0


@pytest.mark.usefixtures("manager")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("Acme", "eve", "--documents", "erase"), 1, "User eve does not exist"),
        (("Nobody", "ana", "--documents", "erase"), 1, "Organization Nobody does not exist"),
        (("Acme", str(uuid.UUID(int=5)), "--documents", "erase"), 1, "does not exist"),
        (("Acme", "ana"), 2, "Missing option '--documents'"),
        (("Acme", "ana", "--documents", "burn"), 2, "'burn' is not one of"),
        (("Acme", "ana", "--documents", "reassign"), 2, "reassign goes with --to USER"),
        (("Acme", "ana", "--documents", "erase", "--to", "ben"), 2, "erase without it"),
        (
            ("Acme", "ana", "--documents", "reassign", "--to", "ana"),
            2,
            "it is the person to be erased",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    on: Call, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = on("erase-user", *arguments)

    assert done.code == code
    assert said in done.said
