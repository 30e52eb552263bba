"""Documents: their contents, earlier ones, their files, and how they are used."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.bulk import bulk_create, bulk_update
from andamios_orm.exceptions import ConfigurationError, NotFound, ValueRefused
from andamios_orm.models import acting_as
from project_architect_db.exceptions import FileRefused
from project_architect_db.models import Document, DocumentVersion
from project_architect_db.repositories import DocumentRepository, ProjectRepository
from project_architect_db.schemas import DocumentCreate, DocumentSchema, DocumentUpdate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm import Session
    from project_architect_db.models import Project

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
async def project(session: Session, project_values: Callable[..., dict[str, Any]]) -> Project:
    return await ProjectRepository(session).create(project_values(owner="ana"))


@pytest.fixture
def documents(session: Session, tmp_path: Path) -> DocumentRepository:
    return DocumentRepository(session, root=tmp_path)


async def test_a_document_is_measured_when_it_is_stored(
    documents: DocumentRepository, project: Project
) -> None:
    with acting_as("ana"):
        document = await documents.create(
            DocumentCreate.model_validate(
                {
                    "project_id": project.id,
                    "name": "Plan",
                    "content": "año uno",
                    "doc_type": "readme",
                }
            )
        )

    read = DocumentSchema.model_validate(await documents.get_by_id(document.id))
    assert (read.word_count, read.size, read.doc_type) == (2, 8, "readme")
    assert read.changed_by == "ana"
    assert len(read.digest) == 64


async def test_documents_are_found_by_project_type_and_words(
    documents: DocumentRepository, project: Project
) -> None:
    for name, kind in (("Plan b", "readme"), ("API", "api_spec"), ("Plan a", "readme")):
        await documents.create(
            {"project_id": project.id, "name": name, "doc_type": kind, "content": f"On {name}"}
        )

    assert [each.name for each in await documents.get_by_project(project.id, 1, 1)] == ["Plan a"]
    assert [each.name for each in await documents.get_by_type("readme")] == ["Plan a", "Plan b"]
    assert [each.name for each in await documents.search_content("plan ON")] == ["Plan a", "Plan b"]
    with pytest.raises(ValueRefused, match="known are architecture, api_spec"):
        await documents.get_by_type("poem")


# ---- versions ---------------------------------------------------------------------------


async def test_every_content_is_kept_whoever_changes_it(
    session: Session, documents: DocumentRepository, project: Project
) -> None:
    key = (await documents.create({"project_id": project.id, "name": "a", "content": "one"})).id

    await documents.add_version(key, "two", note="second", changed_by="eva")
    await documents.update(key, DocumentUpdate(content="three", name="b"))
    await bulk_update(session, Document, [{"id": key, "content": "four"}])
    await documents.add_version(key, "four")

    versions = await documents.versions(key)
    assert [(each.number, each.is_current) for each in versions] == [
        (1, False),
        (2, False),
        (3, False),
        (4, True),
    ]
    contents = [await documents.content_of(key, each.number) for each in versions]
    assert contents == ["one", "two", "three", "four"]
    assert (versions[1].note, versions[1].changed_by) == ("second", "eva")
    assert (versions[2].note, versions[2].changed_by) == (None, None)


async def test_documents_changed_together_are_kept_together(
    session: Session, documents: DocumentRepository, project: Project
) -> None:
    rows = [{"project_id": project.id, "name": f"{n}", "content": f"{n}"} for n in range(3)]
    keys = (await bulk_create(session, Document, rows)).ids
    await documents.add_version(keys[0], "changed")

    await bulk_update(session, Document, [{"id": key, "content": "new"} for key in keys])

    assert [len(await documents.versions(key)) for key in keys] == [3, 2, 2]


async def test_an_earlier_version_is_restored_as_a_new_one(
    documents: DocumentRepository, project: Project
) -> None:
    key = (await documents.create({"project_id": project.id, "name": "a", "content": "one"})).id
    await documents.add_version(key, "two")

    document = await documents.restore_version(key, 1)

    assert (document.content, document.note) == ("one", "version 1 restored")
    assert await documents.content_of(key, 2) == "two"
    with pytest.raises(NotFound, match="4 of document"):
        await documents.restore_version(key, 4)


async def test_an_importer_says_who_wrote_what_and_when(
    session: Session, documents: DocumentRepository, project: Project
) -> None:
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = [
        {
            "project_id": project.id,
            "name": "a",
            "content": "two",
            "changed_at": moment,
            "changed_by": "Eva",
            "note": "Second",
            "revision": "abc",
        }
    ]
    (key,) = (await bulk_create(session, Document, rows)).ids
    past = {"document_id": key, "number": 1, "content": "one", "changed_at": moment}
    await bulk_create(session, DocumentVersion, [past])

    versions = await documents.versions(key)

    assert [each.number for each in versions] == [1, 2]
    current = versions[1]
    assert (current.changed_by, current.revision, current.changed_at) == ("Eva", "abc", moment)
    assert versions[0].size == 3


async def test_a_difference_is_a_patch(documents: DocumentRepository, project: Project) -> None:
    values = {"project_id": project.id, "name": "plan", "content": "one\ntwo\n"}
    key = (await documents.create(values)).id
    await documents.add_version(key, "one\nthree")

    assert await documents.diff(key, 1) == (
        "--- plan (version 1)\n+++ plan (version 2)\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"
        "\\ No newline at end of file\n"
    )
    assert await documents.diff(key, 1, 1) == ""


# ---- files --------------------------------------------------------------------------------


async def test_a_file_is_written_and_read(
    documents: DocumentRepository, project: Project, tmp_path: Path
) -> None:
    values = {"project_id": project.id, "name": "a", "content": "año", "file_path": "docs/a.md"}
    key = (await documents.create(values)).id

    assert await documents.write_file(key) == 4
    assert (tmp_path / "docs" / "a.md").read_text(encoding="utf-8") == "año"
    assert await documents.write_file(key, "more") == 4
    (tmp_path / "docs" / "a.md").write_text("changed outside", encoding="utf-8")

    assert await documents.read_file(key) == "changed outside"
    assert (await documents.get(key)).content == "more"
    assert await documents.content_of(key, 1) == "año"


async def test_a_document_without_a_file_or_a_root_says_so(
    session: Session, documents: DocumentRepository, project: Project
) -> None:
    key = (await documents.create({"project_id": project.id, "name": "a"})).id

    with pytest.raises(FileRefused, match="has no file_path"):
        await documents.read_file(key)
    with pytest.raises(ConfigurationError, match="root='documents'"):
        await DocumentRepository(session).read_file(key)


# ---- use ------------------------------------------------------------------------------------


async def test_accesses_are_counted(documents: DocumentRepository, project: Project) -> None:
    names = ("often", "once", "never")
    rows = [{"project_id": project.id, "name": name, "content": "two words"} for name in names]
    often, once, _ = (await documents.bulk_create(rows)).ids
    for key in (often, once):
        await documents.record_access(key, "eva")
    with acting_as("ana"):
        assert (await documents.record_access(often)).accessed_by == "ana"
    other = await documents.create(
        {"project_id": project.id, "name": "other", "doc_type": "readme"}
    )
    await documents.delete(other.id)

    usage = await documents.usage_stats(project.id, most=2)

    assert (usage.documents, usage.words, usage.size) == (3, 6, 27)
    assert usage.by_type == {"other": 3}
    assert usage.accesses == 3
    assert [(each.name, each.accesses) for each in usage.most_read] == [("often", 2), ("once", 1)]
    assert (await documents.usage_stats(project.id + 1)).documents == 0
    with pytest.raises(NotFound):
        await documents.record_access(99)


async def test_a_viewer_meets_only_documents_of_their_projects(
    session: Session,
    documents: DocumentRepository,
    project: Project,
    project_values: Callable[..., dict[str, Any]],
) -> None:
    foreign = await ProjectRepository(session).create(project_values(owner="leo"))
    hidden = await documents.create({"project_id": foreign.id, "name": "hidden"})
    ana = DocumentRepository(session, viewer="ana")
    own = await ana.create({"project_id": project.id, "name": "own"})

    access = await ana.record_access(own.id)

    assert access.accessed_by == "ana"
    assert (await ana.usage_stats()).documents == 1
    for refused in (
        ana.record_access(hidden.id),
        ana.versions(hidden.id),
        ana.diff(hidden.id, 1),
        ana.add_version(hidden.id, "x"),
        ana.read_file(hidden.id),
    ):
        with pytest.raises(NotFound):
            await refused
