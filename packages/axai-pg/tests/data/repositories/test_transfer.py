"""Many documents come in together, and go out as text."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, field_validator

from andamios_orm.exceptions import BulkRefused, QueryRefused, ValueRefused
from axai_pg.data.models import Document, Topic
from axai_pg.data.repositories import BaseRepository, DocumentRepository
from axai_pg.exceptions import OrganizationRequired

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.models import User

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]


async def exported(documents: DocumentRepository, *conditions: Any, **options: Any) -> str:
    return "".join([line async for line in documents.export(*conditions, **options)])


# ---- in --------------------------------------------------------------------------------------


async def test_documents_come_in_by_batches_that_are_told_of(
    session: Session, documents: DocumentRepository, user: User
) -> None:
    rows = [{"title": f"Oak {n}", "content": "a b", "owner_id": user.id} for n in range(5)]
    told: list[tuple[int, int]] = []

    report = await documents.load(
        rows, batch_size=2, progress=lambda now: told.append((now.read, now.batches))
    )

    assert (report.created, told) == (5, [(2, 1), (4, 2), (5, 3)])
    session.expunge_all()
    found = await documents.list(limit=None)
    assert {each.org_id for each in found} == {user.org_id}
    assert {each.changed_by_id for each in found} == {user.id}
    assert {(each.word_count, each.version) for each in found} == {(2, 1)}
    assert len(await documents.search("oak")) == 5


async def test_a_bulk_is_read_changed_and_deleted(
    documents: DocumentRepository, user: User
) -> None:
    made = await documents.bulk_create(
        [{"title": str(n), "owner_id": user.id, "document_metadata": {"n": n}} for n in range(3)]
    )
    await documents.bulk_update([{"id": made.ids[0], "title": "new"}])
    await documents.bulk_delete([made.ids[1]])

    assert made[2].document_metadata == {"n": 2}
    assert await documents.count() == 2
    assert (await documents.get_version(made.ids[0], 1)).title == "0"


class Read(BaseModel):
    """A document as a caller has it, and how often one was read."""

    times: ClassVar[int] = 0

    id: uuid.UUID
    owner_id: uuid.UUID
    title: str

    @field_validator("title")
    @classmethod
    def noted(cls, title: str) -> str:
        """Return the title, which is read now."""
        cls.times += 1
        return title


async def test_a_bulk_reads_its_rows_once(documents: DocumentRepository, user: User) -> None:
    made = await documents.bulk_create([{"title": str(n), "owner_id": user.id} for n in range(3)])
    rows = [{"id": key, "owner_id": user.id, "title": "new"} for key in made.ids]
    Read.times = 0

    await documents.bulk_update(iter(rows), schema=Read)
    await documents.bulk_upsert(iter(rows), match_fields=["id"], schema=Read)

    assert Read.times == 6
    assert await documents.count(title="new") == 3


async def test_a_bulk_takes_no_status_from_a_schema(
    documents: DocumentRepository, document: Document
) -> None:
    class WithStatus(Read):
        status: str = "draft"

    row = {"id": document.id, "owner_id": document.owner_id, "title": "new"}
    with pytest.raises(QueryRefused, match="use set_status"):
        await documents.bulk_upsert([row], match_fields=["id"], schema=WithStatus)
    await documents.bulk_update([row], schema=WithStatus)

    assert (await documents.get(document.id)).title == "new"


async def test_a_bulk_changes_no_status(documents: DocumentRepository, document: Document) -> None:
    rows = [{"id": document.id, "title": "x", "status": "published"}]
    for bulk in (
        documents.bulk_update(rows),
        documents.bulk_update(iter(rows)),
        documents.bulk_upsert(rows, match_fields=["id"]),
    ):
        with pytest.raises(QueryRefused, match="use set_status"):
            await bulk

    assert await documents.bulk_update(iter([{"id": document.id, "title": "x"}])) == 1
    upserted = await documents.bulk_upsert(
        [{"title": "x", "owner_id": document.owner_id}], match_fields=["title"]
    )
    assert (upserted.created, upserted.updated) == (0, 1)


async def test_arrays_come_in_as_well(session: Session, user: User) -> None:
    topics = BaseRepository(session, Topic)
    await topics.bulk_create([{"name": "Trees", "keywords": ["oak", "a b"]}, {"name": "x"}])

    session.expunge_all()
    assert [each.keywords for each in await topics.list(order_by="name")] == [["oak", "a b"], []]


@pytest.mark.parametrize(
    "values", [{"file_path": "../x"}, {"filename": "a/b"}, {"status": "burnt"}, {"titel": "x"}]
)
async def test_rows_that_are_wrong_are_named_and_none_comes_in(
    documents: DocumentRepository, user: User, values: dict[str, Any]
) -> None:
    good = {"title": "x", "owner_id": user.id}

    with pytest.raises(BulkRefused) as refused:
        await documents.bulk_create([good, {**good, **values}])

    assert [error.field for error in refused.value.errors] == list(values)
    assert await documents.count() == 0


# ---- out -------------------------------------------------------------------------------------


async def test_documents_go_out_one_to_a_line_and_come_in_again(
    documents: DocumentRepository, document: Document, user: User, tmp_path: Path
) -> None:
    await documents.create({"title": "Bäume", "owner_id": user.id, "status": "published"})
    lines = (await exported(documents)).splitlines()
    rows = [json.loads(line) for line in lines]
    file = tmp_path / "documents.ndjson"
    writable = [
        {name: row[name] for name in documents.fields.writable if name in row} for row in rows
    ]
    file.write_text("\n".join(map(json.dumps, writable)), encoding="utf-8")

    report = await documents.load(file)

    assert [row["title"] for row in rows] == ["Oaks", "Bäume"]
    assert rows[0]["id"] == str(document.id)
    assert "org_id" not in rows[0]
    assert report.created == 2
    assert len(await documents.find_by_status("published")) == 2


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_list_goes_out_piece_by_piece(
    documents: DocumentRepository, user: User, count: int
) -> None:
    for number in range(count):
        await documents.create({"title": str(number), "owner_id": user.id})

    titles = [row["title"] for row in json.loads(await exported(documents, form="json"))]

    assert titles == [str(number) for number in range(count)]
    assert len((await exported(documents)).splitlines()) == count


async def test_conditions_and_viewers_narrow_what_goes_out(
    session: Session, documents: DocumentRepository, document: Document, other: User
) -> None:
    assert await exported(documents, Document.title == "Elms") == ""
    assert await exported(DocumentRepository(session, viewer=other.id)) == ""


async def test_another_form_is_refused(documents: DocumentRepository) -> None:
    with pytest.raises(ValueRefused, match="ndjson and json"):
        await exported(documents, form="xml")


async def test_what_goes_out_is_of_one_organisation(careless: DatabaseManager) -> None:
    async with careless.async_system_scope("export of all") as session:
        with pytest.raises(OrganizationRequired):
            await exported(DocumentRepository(session))


async def test_the_audit_log_has_that_documents_went_out(
    manager: DatabaseManager, superuser: psycopg.Connection[Any], theirs: Any
) -> None:
    async with manager.async_session_scope(theirs.id) as session:
        await exported(DocumentRepository(session))

    noted = superuser.execute(
        "SELECT details FROM audit_log WHERE org_id = %s AND action = 'export'", [theirs.id]
    ).fetchall()
    assert ({"table": "documents"},) in noted
