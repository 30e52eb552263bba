"""Documents are found by their words, in their language, in their organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.models import Document
from axai_pg.data.repositories import DocumentRepository
from axai_pg.data.repositories.search import LANGUAGES

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.models import User

    Titles = Callable[..., Any]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]

ROWS: list[dict[str, Any]] = [
    {"title": "Oaks", "content": "Trees along the river bank"},
    {"title": "Rivers", "content": "An oak stands there", "status": "published"},
    {"title": "Bäume", "content": "Die Eichen am Fluss", "language": "de"},
    {"title": "Chistka", "content": "oaks oaks", "language": "xx"},
]


@pytest.fixture
async def titles(documents: DocumentRepository, user: User) -> Titles:
    """Return ``titles(query, **options)``: what is found, by title, in an organisation of four."""
    for row in ROWS:
        await documents.create({"owner_id": user.id, **row})

    async def titles(query: str, *conditions: Any, **options: Any) -> list[str]:
        return [hit.title for hit in await documents.search(query, *conditions, **options)]

    return titles


async def test_what_has_a_word_in_its_title_comes_first(titles: Titles) -> None:
    assert await titles("oak", language="en") == ["Oaks", "Rivers"]
    assert await titles("river", language="en") == ["Rivers", "Oaks"]


@pytest.mark.parametrize(
    ("query", "options", "found"),
    [
        ("oak", {}, {"Oaks", "Rivers"}),
        ("oaks", {}, {"Oaks", "Rivers", "Chistka"}),
        ("Eiche", {}, {"Bäume"}),
        ("Eiche", {"language": "de"}, {"Bäume"}),
        ("Eiche", {"language": "en"}, set()),
        ("oaks", {"language": "xx"}, {"Chistka"}),
        ("oak", {"status": "published"}, {"Rivers"}),
        ('"river bank"', {}, {"Oaks"}),
        ("oak -bank", {}, {"Rivers"}),
        ("bank or Fluss", {}, {"Oaks", "Bäume"}),
        ("elephant", {}, set()),
        ("the", {"language": "en"}, set()),
        ("' | & ! ( :* <->", {}, set()),
        ("oak", {"limit": 0}, set()),
    ],
)
async def test_each_document_is_searched_in_its_language(
    titles: Titles, query: str, options: dict[str, Any], found: set[str]
) -> None:
    assert set(await titles(query, **options)) == found


async def test_conditions_narrow_and_pages_follow(titles: Titles) -> None:
    assert await titles("oaks", Document.title != "Oaks", language="en") == ["Rivers"]
    assert await titles("oak", language="en", limit=1) == ["Oaks"]
    assert await titles("oak", language="en", limit=1, offset=1) == ["Rivers"]


async def test_a_snippet_shows_what_was_found_and_no_markup(
    documents: DocumentRepository, user: User
) -> None:
    content = (
        "first " * 100 + "\ue000<b>\ue001 oaks\n\t& elms < firs <i>and</i> an oak " + "last " * 100
    )
    await documents.create({"title": "x", "content": content, "owner_id": user.id})

    (hit,) = await documents.search("oak")

    assert [hit.snippet[start:end] for start, end in hit.places] == ["oaks", "oak"]
    assert "oaks & elms < firs and an oak" in hit.snippet
    assert "<mark>oaks</mark> &amp; elms &lt; firs and an <mark>oak</mark>" in hit.html
    assert len(hit.snippet.split()) <= 36
    assert (hit.language, hit.status, hit.owner_id) == ("en", "draft", user.id)
    assert hit.rank > 0


@pytest.mark.parametrize("query", ["", " \n", "x" * 1_001, "a\0"])
async def test_a_search_is_for_something(documents: DocumentRepository, query: str) -> None:
    with pytest.raises(ValueRefused, match="search for 1 to 1,000 characters"):
        await documents.search(query)


async def test_a_page_has_a_number_of_hits(documents: DocumentRepository) -> None:
    with pytest.raises(ValueRefused, match="limit"):
        await documents.search("oak", limit=-1)


async def test_what_is_deleted_is_not_found(documents: DocumentRepository, titles: Titles) -> None:
    (document,) = await documents.list(title="Oaks")
    await documents.delete(document.id)

    assert await titles("bank") == []


async def test_a_viewer_finds_what_they_may_read(
    session: Session, titles: Titles, other: User
) -> None:
    viewed = DocumentRepository(session, viewer=other.id)
    own = await viewed.create({"title": "My oak"})

    assert sorted(await titles("oak", language="en")) == ["My oak", "Oaks", "Rivers"]
    assert [hit.id for hit in await viewed.search("oak")] == [own.id]


async def test_other_organisations_are_not_searched(
    manager: DatabaseManager, ours: Any, theirs: Any
) -> None:
    async def search(org_id: uuid.UUID, word: str) -> list[Any]:
        async with manager.async_session_scope(org_id) as session:
            return await DocumentRepository(session).search(word)

    word = f"secret{theirs.id.hex}"
    async with manager.async_session_scope(theirs.id) as session:
        documents = DocumentRepository(session)
        await documents.update(theirs.keys["documents"], {"title": word})

    assert [hit.id for hit in await search(theirs.id, word)] == [theirs.keys["documents"]]
    assert await search(ours.id, word) == []


async def test_all_languages_of_the_database_are_searched(session: Session) -> None:
    source = await session.scalar(text("SELECT pg_get_functiondef('axai_text_search'::regproc)"))

    assert [each for each in LANGUAGES if f"'{each}'" not in str(source)] == []
    assert str(source).count("WHEN ") == len(LANGUAGES)
