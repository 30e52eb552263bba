"""Versions of documents: who made each, what was said of it, and the way back."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from andamios_orm.exceptions import CheckViolation, NotFound, StaleVersion, ValueRefused

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import Document, User
    from axai_pg.data.repositories import DocumentRepository

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_a_change_is_a_version_with_its_description_and_who_made_it(
    documents: DocumentRepository, document: Document, user: User
) -> None:
    changed = await documents.update_with_version(document.id, {"title": "Elms"}, "renamed")

    assert (changed.version, changed.change_description) == (2, "renamed")
    assert changed.changed_by_id == user.id


async def test_who_made_a_version_is_not_the_callers_to_say(
    documents: DocumentRepository, document: Document, other: User
) -> None:
    forged = {"title": "x", "owner_id": other.id, "changed_by_id": other.id}

    for write in (
        documents.create(forged),
        documents.update(document.id, forged),
        documents.update_with_version(document.id, forged),
    ):
        with pytest.raises(ValueRefused, match="the database takes it from the context"):
            await write


async def test_a_description_is_for_one_change_even_if_it_is_that_of_the_last(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update_with_version(document.id, {"title": "Elms"}, "renamed")
    await documents.update_with_version(document.id, {"title": "Firs"}, "renamed")
    same = (await documents.get(document.id)).change_description
    await documents.update(document.id, {"title": "Pines"})

    assert same == "renamed"
    assert (await documents.get(document.id)).change_description is None


async def test_what_is_as_it_was_makes_no_version(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update_with_version(document.id, {"title": "Oaks"}, "nothing")

    assert [each.version for each in await documents.versions(document.id)] == [1]


async def test_a_stale_version_is_refused_and_its_description_forgotten(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update_with_version(document.id, {"title": "Elms"})

    with pytest.raises(StaleVersion) as stale:
        await documents.update_with_version(document.id, {"title": "x"}, "lost", version=1)

    assert (stale.value.expected, stale.value.actual) == (1, 2)
    changed = await documents.update(document.id, {"title": "Firs"})
    assert changed.change_description is None


async def test_an_error_of_the_database_is_the_one_that_is_raised(
    documents: DocumentRepository, document: Document
) -> None:
    with pytest.raises(CheckViolation):
        await documents.update_with_version(document.id, {"title": " "}, "blank")


async def test_the_first_error_is_the_one_that_is_raised(
    session: Session, documents: DocumentRepository, document: Document
) -> None:
    async def lose_the_connection(_event: Any) -> None:
        raw: Any = await (await session.connection()).get_raw_connection()
        await raw.driver_connection.close()
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        await documents.on("before_update", lose_the_connection).update_with_version(
            document.id, {"title": "x"}, "lost"
        )


async def test_who_is_cancelled_sends_nothing_more(
    session: Session, documents: DocumentRepository, document: Document
) -> None:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        sent.append(statement)

    def cancel(_event: Any) -> None:
        event.listen(engine, "before_cursor_execute", note)
        raise asyncio.CancelledError

    engine = session.sync_session.get_bind().engine
    with pytest.raises(asyncio.CancelledError):
        await documents.on("before_update", cancel).update_with_version(
            document.id, {"title": "x"}, "lost"
        )
    event.remove(engine, "before_cursor_execute", note)

    assert sent == []


async def test_a_description_that_is_too_long_is_refused(
    documents: DocumentRepository, document: Document
) -> None:
    with pytest.raises(ValueRefused, match="change_description"):
        await documents.update_with_version(document.id, {"title": "x"}, "x" * 1_001)


async def test_versions_are_listed_the_newest_first(
    documents: DocumentRepository, document: Document, user: User
) -> None:
    await documents.update_with_version(document.id, {"title": "Elms"}, "renamed")
    await documents.update(document.id, {"processing_status": "complete"})
    await documents.update_with_version(document.id, {"content": "x", "language": "de"}, "new")

    entries = await documents.versions(document.id)

    assert [
        (each.version, each.title, each.changed_columns, each.change_description)
        for each in entries
    ] == [
        (4, "Elms", ("content", "language"), "new"),
        (3, "Elms", ("title",), "renamed"),
        (1, "Oaks", (), None),
    ]
    assert [each.is_current for each in entries] == [True, False, False]
    assert {each.changed_by_id for each in entries} == {user.id}
    assert await documents.versions(document.id, 1) == entries[:1]
    assert await documents.versions(document.id, 1, 1) == entries[1:2]
    assert await documents.versions(document.id, None, 2) == entries[2:]


async def test_a_version_says_what_the_document_said(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update(document.id, {"processing_status": "complete"})
    await documents.update(document.id, {"title": "Elms", "content": "new"})

    states = [await documents.get_version(document.id, number) for number in (1, 2, 3)]

    assert [(each.title, each.content) for each in states] == [
        ("Oaks", "one\ntwo\n"),
        ("Oaks", "one\ntwo\n"),
        ("Elms", "new"),
    ]


@pytest.mark.parametrize("number", [-1, 0, 2])
async def test_a_version_that_never_was_is_not_found(
    documents: DocumentRepository, document: Document, number: int
) -> None:
    with pytest.raises(NotFound, match=f"Version {number} of document"):
        await documents.get_version(document.id, number)


async def test_a_difference_names_columns_and_lines(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update(document.id, {"title": "Elms", "content": "one\nthree"})

    diff = await documents.diff(document.id, 1)

    assert (diff.first, diff.second) == (1, 2)
    assert diff.changes == {"title": ("Oaks", "Elms")}
    assert diff.patch.splitlines()[2:] == [
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+three",
        "\\ No newline at end of file",
    ]
    assert (await documents.diff(document.id, 2, 1)).changes == {"title": ("Elms", "Oaks")}


async def test_a_version_is_restored_as_a_new_one_with_the_status_of_now(
    documents: DocumentRepository, document: Document
) -> None:
    await documents.update(document.id, {"title": "Elms", "document_metadata": {"a": 1}})
    await documents.set_status(document.id, "published")

    restored = await documents.restore_version(document.id, 1, version=3)

    assert (restored.title, restored.document_metadata, restored.status) == (
        "Oaks",
        {},
        "published",
    )
    assert (restored.version, restored.change_description) == (4, "version 1 restored")
    with pytest.raises(StaleVersion):
        await documents.restore_version(document.id, 1, version=3)


async def test_what_is_not_there_has_no_versions(documents: DocumentRepository) -> None:
    with pytest.raises(NotFound):
        await documents.versions(uuid.uuid4())
