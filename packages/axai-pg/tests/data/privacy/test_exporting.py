"""What a person gets who asks what is held on them."""

from __future__ import annotations

import json
import resource
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, text

from andamios_orm.exceptions import NotFound, ValueRefused
from andamios_orm.models import acting_as
from axai_pg.data.models import Document, Organization, Summary, User
from axai_pg.data.privacy import export_person
from axai_pg.data.privacy.exporting import _BATCH
from axai_pg.exceptions import AccessDenied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.data.privacy.conftest import People

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.privacy import PersonRecord

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def exported(session: Session, user_id: uuid.UUID) -> list[PersonRecord]:
    return [record async for record in await export_person(session, user_id)]


async def test_all_rows_of_a_person_are_there(session: Session, people: People) -> None:
    records = await exported(session, people.ana)

    own = sorted({record.table for record in records if record.is_own})
    assert own == [
        "collections",
        "document_collections",
        "document_permissions",
        "document_versions",
        "documents",
        "graph_nodes",
        "graph_relationships",
        "personal_data_requests",
        "summaries",
        "user_roles",
        "users",
    ]
    user = next(record.row for record in records if record.table == "users")
    assert (user["username"], user["email"]) == ("ana", "Ana@example.org")
    assert "hashed_password" not in user
    document = next(r.row for r in records if r.table == "documents" and r.is_own)
    assert (document["id"], document["content"]) == (str(people.anas), "changed")
    assert "search_vector" not in document


async def test_of_rows_of_others_only_what_names_the_person_is_there(
    session: Session, people: People
) -> None:
    records = await exported(session, people.ana)

    others = {record.table: record.row for record in records if not record.is_own}
    assert set(others) == {"documents", "document_versions", "document_permissions"}
    assert set(others["documents"]) == {"id", "changed_by_id", "version", "change_description"}
    assert others["documents"]["id"] == str(people.bos)
    assert "user_id" not in others["document_permissions"]


async def test_what_somebody_did_is_in_the_feed(session: Session, people: People) -> None:
    await session.commit()
    with acting_as("Ana@example.org"):
        (await session.get_one(Document, people.bos)).content = "three"
        await session.commit()

    records = await exported(session, people.ana)

    [change] = [record.row for record in records if record.table == "andamios_changes"]
    assert change["actor"] == "Ana@example.org"


@pytest.mark.slow
async def test_a_file_has_a_record_to_a_line(
    session: Session, people: People, tmp_path: Path
) -> None:
    target = tmp_path / "ana.ndjson"
    session.add_all(
        Summary(document_id=people.anas, content=f"{number}", tool_agent="x")
        for number in range(_BATCH)
    )
    await session.flush()
    export = await export_person(session, people.ana)

    counts = await export.write(target)

    lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert counts["summaries"] == _BATCH + 1
    assert len(lines) == sum(counts.values())
    assert set(lines[0]) == {"table", "is_own", "row"}
    assert target.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_there_stays(session: Session, people: People, tmp_path: Path) -> None:
    target = tmp_path / "ana.ndjson"
    target.write_text("mine")
    export = await export_person(session, people.ana)

    with pytest.raises(FileExistsError):
        await export.write(target)

    assert target.read_text() == "mine"


async def test_a_file_that_cannot_be_finished_goes(
    session: Session, people: People, tmp_path: Path
) -> None:
    export = await export_person(session, people.ana)
    await session.rollback()
    await session.execute(text("SET LOCAL ROLE NONE"))
    await session.execute(text("SET LOCAL row_security = off"))

    with pytest.raises(AccessDenied):
        await export.write(tmp_path / "ana.ndjson")

    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_there_is_no_room_for_goes(
    session: Session, people: People, tmp_path: Path
) -> None:
    cy = User(username="cy", email="cy@example.org")
    session.add(cy)
    await session.flush()
    export = await export_person(session, cy.id)
    room, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))  # less than what is written at the end
    try:
        with pytest.raises(OSError, match="too large"):
            await export.write(tmp_path / "cy.ndjson")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))

    assert export.counts == {"users": 1}
    assert list(tmp_path.iterdir()) == []


async def test_the_audit_log_is_read_by_operators(
    session: Session, people: People, careless: DatabaseManager
) -> None:
    export = await export_person(session, people.ana)
    await session.commit()

    async with careless.async_system_scope("a test") as operating:
        whole = await export_person(operating, people.ana)
        records = [record async for record in whole]

    assert set(export.left_out) == {"audit_log"}
    assert whole.left_out == {}
    entries = [record.row for record in records if record.table == "audit_log"]
    assert {"insert"} <= {entry["action"] for entry in entries}
    assert {entry["org_id"] for entry in entries} == {str(people.org_id)}


@pytest.mark.parametrize("whose", ["theirs", "nobody's"])
async def test_a_person_of_others_is_as_unknown_as_nobody(
    session: Session, people: People, theirs: Any, whose: str
) -> None:
    key = theirs.keys["users"] if whose == "theirs" else uuid.uuid4()

    with pytest.raises(NotFound) as caught:
        await export_person(session, key)

    assert str(caught.value) == f"User {key} does not exist"


async def test_a_key_is_a_uuid(session: Session, people: People) -> None:
    with pytest.raises(ValueRefused, match="no UUID"):
        await export_person(session, "ana")


async def test_a_key_that_two_organisations_have_is_nobodys(
    session: Session, people: People, careless: DatabaseManager
) -> None:
    await session.commit()
    async with careless.async_system_scope("a test") as operating:
        other = uuid.uuid4()
        operating.add(Organization(id=other, name="Globex"))
        await operating.flush()
        twin = {"org_id": other, "id": people.ana, "username": "ana", "email": "ana@example.org"}
        await operating.execute(insert(User), [twin])

        with pytest.raises(ValueRefused, match="several organisations"):
            await export_person(operating, people.ana)

        await operating.rollback()
