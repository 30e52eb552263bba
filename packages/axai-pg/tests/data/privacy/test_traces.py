"""A person who is in every place that the catalogue has is found in none but those that stay."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import text

from andamios_orm.models import uuid7
from axai_pg.data.privacy import Erasure, erase_person
from axai_pg.data.privacy.registry import REGISTRY
from axai_pg.testing.rows import TenantTable, insert_row, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.data.config.database import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

ROOM = """
SELECT attname, format_type(atttypid, NULL),
    CASE WHEN atttypid = 'varchar'::regtype AND atttypmod > 0 THEN atttypmod - 4 END
FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
EVERYWHERE = """
SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm')
AND attnum > 0 AND NOT attisdropped
"""


@dataclass
class Seeded:
    """A person, the organisation, and the columns in which something names the person."""

    id: uuid.UUID
    org_id: uuid.UUID
    successor: uuid.UUID
    name: str
    email: str
    places: set[tuple[str, str]]


def found(superuser: psycopg.Connection[Any], person: Seeded) -> set[tuple[str, str]]:
    """Return the columns of the whole database in which a person is, as text."""
    places = set()
    words = [person.name, person.email, str(person.id)]
    for table, column in superuser.execute(EVERYWHERE).fetchall():
        query = sql.SQL(
            "SELECT EXISTS (SELECT FROM {} WHERE lower({}::text) LIKE ANY (%s))"
        ).format(sql.Identifier("public", table), sql.Identifier(column))
        if superuser.execute(query, [[f"%{word.lower()}%" for word in words]]).fetchone() == (
            True,
        ):
            places.add((table, column))
    return places


def words(superuser: psycopg.Connection[Any], table: TenantTable, person: Seeded) -> dict[str, Any]:
    """Return values that name the person, for all columns with room for one."""
    values: dict[str, Any] = {}
    whole = f"{person.name}, {person.email}, {person.id}"
    for column, kind, room in superuser.execute(ROOM, [table.name]).fetchall():
        if table.parents.get(column) == "users":
            values[column] = person.id
        elif column in table.choices or (table.name, column) == ("users", "username"):
            continue
        elif kind in {"text", "character varying"}:
            fitting = [text for text in (whole, person.name) if room is None or len(text) <= room]
            values[column] = fitting[0]
        elif kind == "text[]":
            values[column] = [whole]
        elif kind == "jsonb":
            values[column] = Jsonb({"about": [whole], person.email: person.name})
    return values


@pytest.fixture
def person(superuser: psycopg.Connection[Any]) -> Iterator[Seeded]:
    """Yield somebody who is in every column of every table that services write."""
    key, org_id = uuid7(), uuid.uuid4()
    name = f"Z{key.hex[-7:]}"
    seeded = Seeded(key, org_id, uuid7(), name, f"{name}@Example.org", set())
    with superuser.transaction():
        superuser.execute("SET LOCAL ROLE axai_system")
        superuser.execute("SELECT set_config('axai.org_id', %s, true)", [str(org_id)])
        superuser.execute("SELECT set_config('axai.user_id', %s, true)", [str(key)])
        superuser.execute(
            "INSERT INTO organizations (id, name) VALUES (%s, %s)", [org_id, f"{name} & sons"]
        )
        keys = {"organizations": org_id}
        for table in tenant_tables(superuser):
            within = {key: keys.get(parent) for key, parent in table.parents.items()}
            given: dict[str, Any] = {key: row for key, row in within.items() if row is not None}
            given |= words(superuser, table, seeded)
            if table.name == "document_permissions":
                given.pop("role_id", None)  # it is to a user
            if table.name == "users":
                other = {"id": seeded.successor, "username": "bo", "email": "bo@example.org"}
                insert_row(superuser, table, org_id, keys, **other)
                given |= {"id": key, "username": name, "email": seeded.email}
            keys[table.name] = insert_row(superuser, table, org_id, keys, **given)
            named = {each for each in given if table.parents.get(each, "users") == "users"}
            seeded.places |= {(table.name, column) for column in named}
        note = Jsonb({"for": f"asked by {name}", "others": [seeded.email]})
        superuser.execute("SELECT axai_note('asked', %s)", [note])
    superuser.execute(
        "INSERT INTO andamios_changes (position, time, actor, entity, kind, count, tenant)"
        " VALUES (%s, now(), %s, 'users', 'update', 1, %s)",
        [key.int % 2**20, seeded.email.upper(), str(org_id)],
    )
    seeded.places |= {("andamios_changes", "actor"), ("audit_log", "details")}
    yield seeded
    superuser.execute("DELETE FROM organizations WHERE id = %s", [org_id])


def places(*erasures: Erasure) -> set[tuple[str, str]]:
    return {
        (table, column)
        for table, rule in REGISTRY.items()
        for column, privacy in rule.columns.items()
        if privacy.erasure in erasures
    }


@pytest.mark.slow
@pytest.mark.parametrize("documents", ["erase", "reassign"])
async def test_whoever_is_everywhere_is_found_only_where_the_registry_keeps_it(
    superuser: psycopg.Connection[Any], manager: DatabaseManager, person: Seeded, documents: Any
) -> None:
    before = found(superuser, person)
    successor = person.successor if documents == "reassign" else None

    async with manager.async_session_scope(person.org_id, person.id) as session:
        await erase_person(session, person.id, documents=documents, reassign_to=successor)

    assert person.places <= before
    assert len(person.places) > 60
    stays = {Erasure.KEPT} if documents == "erase" else {Erasure.KEPT, Erasure.DOCUMENTS}
    after = found(superuser, person)
    assert after - places(*stays) == set()
    assert ("documents", "owner_id") not in after


@pytest.fixture
def chain(superuser: psycopg.Connection[Any], person: Seeded) -> psycopg.Connection[Any]:
    """Return a connection in the organisation, where the log has been sealed."""
    superuser.execute("SELECT set_config('axai.org_id', %s, false)", [str(person.org_id)])
    with superuser.transaction():  # as if it had been long ago: no other transaction is in the way
        superuser.execute("SET LOCAL session_replication_role = replica")
        query = "UPDATE audit_log SET transaction_id = 3 WHERE org_id = %s"
        superuser.execute(query, [person.org_id])
    superuser.execute("SELECT axai_seal_audit()")
    return superuser


def entries(chain: psycopg.Connection[Any], person: Seeded, action: str) -> list[Any]:
    return chain.execute(
        "SELECT details, details_salt, details_digest FROM audit_log"
        " WHERE org_id = %s AND action = %s",
        [person.org_id, action],
    ).fetchall()


async def erase(manager: DatabaseManager, person: Seeded) -> dict[str, int]:
    async with manager.async_session_scope(person.org_id) as session:
        return dict((await erase_person(session, person.id, documents="erase")).counts)


@pytest.mark.slow
async def test_seals_hold_when_details_are_gone(
    chain: psycopg.Connection[Any], manager: DatabaseManager, person: Seeded
) -> None:
    counts = await erase(manager, person)

    assert (counts["audit_log"], counts["andamios_changes"]) == (1, 1)
    [(details, salt, digest)] = entries(chain, person, "asked")
    assert (details, salt, len(digest)) == (None, None, 32)
    chain.execute("SELECT axai_seal_audit()")
    assert chain.execute("SELECT axai_broken_seals()").fetchall() == []
    [(said, *_)] = entries(chain, person, "erase")
    assert list(said) == ["entries"]
    assert not {person.name, person.email, str(person.id)} & set(str(said).split("'"))


@pytest.mark.slow
async def test_notes_about_others_stay(
    superuser: psycopg.Connection[Any], manager: DatabaseManager, person: Seeded
) -> None:
    async with manager.async_session_scope(person.org_id) as session:
        connection = await session.connection()
        for said in (f"x{person.name}", f"{person.name}x", f"x_{person.name}_x", "nothing"):
            note = text("SELECT axai_note('kept', jsonb_build_object('said', CAST(:said AS text)))")
            await connection.execute(note, {"said": said})

    await erase(manager, person)

    assert [details is None for details, *_ in entries(superuser, person, "kept")] == [False] * 4


@pytest.mark.parametrize(
    "tampering",
    [
        "SET details = NULL, details_salt = NULL",
        """SET details = '{"for": "somebody else"}'""",
        "SET details_digest = sha256('x'), details = NULL",
        "SET details_salt = 'x'",
    ],
)
async def test_details_that_are_changed_without_an_erasure_break_the_seal(
    chain: psycopg.Connection[Any], person: Seeded, tampering: Any
) -> None:
    with chain.transaction(force_rollback=True):
        chain.execute("SET LOCAL session_replication_role = replica")
        query = "UPDATE audit_log {} WHERE org_id = %s AND action = 'asked'"
        chain.execute(sql.SQL(query).format(sql.SQL(tampering)), [person.org_id])

        assert chain.execute("SELECT axai_broken_seals()").fetchall() == [(1,)]


async def test_a_service_cannot_say_that_details_were_erased(
    chain: psycopg.Connection[Any], person: Seeded
) -> None:
    with chain.transaction(force_rollback=True):
        [(key,)] = chain.execute(
            "SELECT id FROM audit_log WHERE org_id = %s AND action = 'asked'", [person.org_id]
        ).fetchall()
        chain.execute("SELECT axai_note('erase', %s)", [Jsonb({"entries": [str(key)]})])
        chain.execute("SET LOCAL session_replication_role = replica")
        chain.execute(
            "UPDATE audit_log SET details = NULL, details_salt = NULL WHERE id = %s", [key]
        )

        assert chain.execute("SELECT axai_broken_seals()").fetchall() == [(1,)]


@pytest.mark.slow
async def test_what_lists_an_entry_is_pruned_no_sooner_than_that(
    chain: psycopg.Connection[Any], manager: DatabaseManager, person: Seeded
) -> None:
    with chain.transaction():
        chain.execute("SET LOCAL session_replication_role = replica")
        chain.execute(
            "UPDATE audit_log SET transaction_id = transaction_id + 1000000, occurred_at ="
            " occurred_at + interval '1 day' WHERE org_id = %s AND action = 'asked'",
            [person.org_id],
        )

    await erase(manager, person)

    assert chain.execute(
        "SELECT asked.transaction_id <= said.transaction_id, asked.occurred_at <= said.occurred_at"
        " FROM audit_log AS asked JOIN audit_log AS said ON said.org_id = asked.org_id"
        " WHERE asked.org_id = %s AND asked.action = 'asked' AND said.action = 'erase'",
        [person.org_id],
    ).fetchall() == [(True, True)]
