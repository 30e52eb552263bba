"""A login of a service erases what is of the user who is erased, and nothing else."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]

EMPTIED: LiteralString = (
    "username = 'erased-' || md5(id::text),"
    " email = 'erased-' || md5(id::text) || '@erased.invalid',"
    " hashed_password = NULL, is_active = false, is_admin = false, is_email_verified = false"
)


class Service:
    """A login that is a member of ``axai_app`` alone, in a new organisation."""

    def __init__(self, connection: psycopg.Connection[Any], org_id: uuid.UUID) -> None:
        self.connection = connection
        self.org_id = org_id
        self.execute = connection.execute
        self.execute("INSERT INTO organizations (id, name) VALUES (%s, 'Acme')", [org_id])

    def add(self, name: str, email: str) -> uuid.UUID:
        """Return the key of a new user, who says to have been there for long."""
        query = (
            "INSERT INTO users (username, email, created_at) VALUES (%s, %s, '1970-01-01')"
            " RETURNING id"
        )
        [(key,)] = self.execute(query, [name, email]).fetchall()
        return uuid.UUID(str(key))

    def note(self, said: str, **others: str) -> None:
        """Leave an entry that says something."""
        self.execute("SELECT axai_note('told', %s)", [Jsonb({"said": said, **others})])

    def erase(self, key: uuid.UUID) -> None:
        """Set ``erased_at``, and empty the row."""
        self.execute(f"UPDATE users SET erased_at = now(), {EMPTIED} WHERE id = %s", [key])

    def read(self, query: LiteralString) -> list[Any]:
        """Return what an operator finds in the organisation."""
        self.execute("SET SESSION AUTHORIZATION axai_system")
        found = self.execute(query, [self.org_id]).fetchall()
        self.execute("SET SESSION AUTHORIZATION axai_app")
        return found

    def told(self) -> list[str | None]:
        """Return what is left of what was said."""
        return [
            said
            for (said,) in self.read(
                "SELECT details ->> 'said' FROM audit_log"
                " WHERE org_id = %s AND action = 'told' ORDER BY occurred_at"
            )
        ]


@pytest.fixture
def service(connect: Any, shared_url: str) -> Iterator[Service]:
    """Yield a service; nothing it does stays."""
    org_id = uuid.uuid4()
    with connect(shared_url, "axai_app", org_id) as connection:
        yield Service(connection, org_id)


def test_what_was_noted_before_there_was_a_user_stays(service: Service) -> None:
    service.note("minutes of the board")
    key = service.add("minutes", "minutes@example.org")
    service.note("the minutes again")

    service.erase(key)

    assert service.told() == ["minutes of the board", None]
    assert service.read(
        "SELECT row_id, jsonb_array_length(details -> 'entries') FROM audit_log"
        " WHERE org_id = %s AND action = 'erase'"
    ) == [(key, 1)]


@pytest.mark.parametrize(
    "change",
    ["username = 'minutes'", "email = 'board@x'"],
)
def test_what_was_noted_before_a_user_was_called_so_stays(
    service: Service, change: LiteralString
) -> None:
    service.add("old", "old@example.org")
    service.note("the minutes")
    service.note("mail to board@x")
    [(key,)] = service.execute(f"UPDATE users SET {change} RETURNING id").fetchall()

    service.erase(key)

    assert service.told() == ["the minutes", "mail to board@x"]


def test_another_key_does_not_make_a_user_older(service: Service) -> None:
    service.note("the minutes")
    service.add("minutes", "minutes@example.org")
    [(key,)] = service.execute("UPDATE users SET id = axai_uuid7() RETURNING id").fetchall()

    service.erase(key)

    assert service.told() == ["the minutes"]


def test_a_user_with_another_name_keeps_the_address(service: Service) -> None:
    key = service.add("ana", "ana@example.org")
    service.note("mail to Ana@Example.org")
    service.execute("UPDATE users SET username = 'anna'")

    service.erase(key)

    assert service.told() == [None]


def test_an_address_inside_another_stays(service: Service) -> None:
    key = service.add("ana", "bo@example.org")
    others = [
        "mail to jumbo@example.org",
        "mail to jum.bo@example.org",
        "mail to jum+bo@example.org",
        "mail to bo@example.org.br",
        "mail to bo@example.organic",
        "mail to bo@example-org",
    ]
    for said in others:
        service.note(said)

    service.erase(key)

    assert service.told() == others


@pytest.mark.parametrize(
    "said",
    [
        "the mail went to bo@example.org.",
        "to bo@example.org. It came back",
        "<Bo@Example.org>",
        'she said: "bo@example.org"',
        "bo@example.org...",
    ],
)
def test_an_address_in_a_sentence_goes(service: Service, said: str) -> None:
    key = service.add("ana", "bo@example.org")
    service.note(said)

    service.erase(key)

    assert service.told() == [None]


@pytest.mark.parametrize("name", ["ana", "Bo@example.org"])
def test_a_name_or_an_address_as_a_key_goes(service: Service, name: str) -> None:
    key = service.add("ana", "bo@example.org")
    service.note("who was told", **{name: "by mail"})

    service.erase(key)

    assert service.told() == [None]


@pytest.mark.parametrize("change", ["erased_at = NULL", "erased_at = now() + interval '1 day'"])
def test_an_erasure_is_for_good(service: Service, change: LiteralString) -> None:
    service.erase(service.add("ana", "ana@example.org"))

    with pytest.raises(errors.CheckViolation, match="erased_at stays as it is"):
        service.execute(f"UPDATE users SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "erased_at = now()",
        "erased_at = now(), email = 'x@example.org'",
        "erased_at = now(), username = 'x'",
        "erased_at = now(), username = 'x', email = 'x@example.org'",
        f"erased_at = now(), {EMPTIED.replace('is_active = false', 'is_active = true')}",
        f"erased_at = now(), {EMPTIED.replace('password = NULL', 'password = username')}",
    ],
)
def test_a_row_that_is_erased_names_nobody(service: Service, change: LiteralString) -> None:
    service.add("ana", "ana@example.org")

    with pytest.raises(errors.CheckViolation, match=r"replace username and email|erased_is_nobody"):
        service.execute(f"UPDATE users SET {change}")


def test_a_row_that_is_erased_gets_no_name(service: Service) -> None:
    service.erase(service.add("ana", "ana@example.org"))

    with pytest.raises(errors.CheckViolation, match="erased_is_nobody"):
        service.execute("UPDATE users SET username = 'eve'")


def test_a_user_name_is_no_address(service: Service) -> None:
    service.add("ana", "ana@example.org")

    with pytest.raises(errors.CheckViolation, match="username_is_no_address"):
        service.add("ana@example.org", "eve@example.org")


def test_what_names_others_as_well_stays(service: Service) -> None:
    ana = service.add("ana", "ana@example.org")
    eve = service.add("ANA", "eve@example.org")
    key = service.add(str(ana), "eva@example.org")
    for said in ("told by ana", "mail to eve@example.org", f"the key {ana}"):
        service.note(said)
    feed = (
        "INSERT INTO andamios_changes (position, time, actor, entity, kind, count, tenant)"
        " VALUES (%s, now(), %s, 'users', 'update', 1, %s)"
    )
    service.execute("SET SESSION AUTHORIZATION DEFAULT")
    for position, actor in enumerate(("ana", str(ana), str(eve))):
        service.execute(feed, [position, actor, str(service.org_id)])
    service.execute("SET SESSION AUTHORIZATION axai_app")

    service.erase(eve)
    service.erase(key)

    assert service.told() == ["told by ana", None, f"the key {ana}"]
    assert service.read(
        "SELECT actor FROM andamios_changes WHERE tenant = %s::text ORDER BY position"
    ) == [("ana",), (str(ana),), (None,)]


def test_another_context_in_the_statement_hides_no_other_user(service: Service) -> None:
    bo = service.add("A1", "bo@example.org")
    service.add("ana", "ana@example.org")
    service.execute("SELECT pg_sleep(0.002)")
    eve = service.add("ANA", "eve@example.org")
    service.note("told by ana")

    for way in ("seqscan", "bitmapscan"):  # bo comes first in each index, if not where rows lie
        service.execute(f"SET LOCAL enable_{way} = off")
    service.execute(  # the policy has looked at the context once, at bo
        "UPDATE users SET erased_at = now() + interval '1 s' * length(set_config("
        f"'axai.org_id', CASE id WHEN %s THEN %s ELSE org_id::text END, true)), {EMPTIED}"
        " WHERE id IN (%s, %s)",
        [eve, str(uuid.uuid4()), bo, eve],
    )

    service.execute("SELECT set_config('axai.org_id', %s, true)", [str(service.org_id)])
    assert service.told() == ["told by ana"]


@pytest.mark.parametrize("action", ["system_scope", "erase", "prune"])
def test_a_service_does_not_note_what_an_operator_does(service: Service, action: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match=f"only an operator notes {action}"):
        service.execute("SELECT axai_note(%s)", [action])


def test_a_service_notes_nothing_without_an_organisation(service: Service) -> None:
    service.execute("SELECT set_config('axai.org_id', %s, true)", [str(uuid.UUID(int=0))])

    with pytest.raises(errors.InsufficientPrivilege, match="only an operator notes export"):
        service.execute("SELECT axai_note('export')")


@pytest.mark.parametrize("role", ["axai_system", "axai_owner"])
def test_an_operator_and_the_owner_note_what_they_do(
    connect: Any, shared_url: str, role: str
) -> None:
    with connect(shared_url, role, uuid.UUID(int=0)) as connection:
        connection.execute("SELECT axai_note('prune')")
