"""What is found, on both databases: the same questions, the same answers."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from andamios_orm.exceptions import ConfigurationError, ValueRefused
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
    SearchRepository,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from andamios_orm import Database
    from project_architect_db.schemas import SearchResults

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(8)]


class Library:
    """A database with some rows to find."""

    def __init__(self, database: Database, values: Callable[..., dict[str, Any]]) -> None:
        self.database = database
        self.values = values

    async def project(self, name: str, idea: str = "nothing of interest", **given: Any) -> int:
        """Store a project."""
        values = self.values(name=name, project_idea=idea, **given)
        return (await ProjectRepository(self.database).create(values)).id

    async def document(self, project: int, name: str, content: str = "", **given: Any) -> int:
        """Store a document."""
        values = {"project_id": project, "name": name, "content": content, **given}
        return (await DocumentRepository(self.database).create(values)).id

    async def talk(self, project: int, title: str | None, *messages: str) -> int:
        """Store a conversation."""
        said = [{"role": "user", "content": message} for message in messages]
        values = {"project_id": project, "title": title, "messages": said}
        return (await ConversationRepository(self.database).create(values)).id

    async def find(self, text: str, **options: Any) -> list[str]:
        """Return the titles of what is found."""
        results = await self.search(text, **options)
        return [hit.title for hit in results.hits]

    async def search(
        self, text: str, *, viewer: str | None = None, **options: Any
    ) -> SearchResults:
        """Return what is found."""
        return await SearchRepository(self.database, viewer=viewer).search(text, **options)


@pytest.fixture
def library(database: Database, project_values: Callable[..., dict[str, Any]]) -> Library:
    return Library(database, project_values)


# ---- what is found ----------------------------------------------------------------------


async def test_each_kind_of_row_is_found_by_its_title_and_its_text(library: Library) -> None:
    project = await library.project("Lighthouse", "A lamp for ships", description="by the sea")
    await library.document(project, "Blueprint", "Stairs of iron", file_path="docs/tower.md")
    await library.talk(project, "Storms", "The glass broke", "We need a mason")
    repositories = RepositoryRepository(library.database)
    await repositories.create(
        {"project_id": project, "name": "beacon", "description": "Firmware", "language": "Rust"}
    )

    for text, title in {
        "lighthouse": "Lighthouse",
        "ships sea": "Lighthouse",
        "BLUEPRINT": "Blueprint",
        "iron": "Blueprint",
        "tower": "Blueprint",
        "storms": "Storms",
        "mason": "Storms",
        "beacon firmware": "beacon",
        "rust": "beacon",
    }.items():
        assert await library.find(text) == [title], text


async def test_words_phrases_prefixes_and_exclusions(library: Library) -> None:
    project = await library.project("Shelf")
    await library.document(project, "one", "the first draft of a plan for the database")
    await library.document(project, "two", "a draft that was first a plan; data in files")

    async def find(text: str) -> list[str]:
        return sorted(await library.find(text))

    assert await find("first draft") == ["one", "two"]
    assert await find('"first draft"') == ["one"]
    assert await find("first-draft") == ["one"]
    assert await find("datab*") == ["one"]
    assert await find("dat*") == ["one", "two"]
    assert await find("draft -files") == ["one"]
    assert await find('plan -"first draft"') == ["two"]
    assert await find("plan -datab*") == ["two"]
    assert await find("plan nowhere") == []
    assert await find("-plan") == []
    assert await find("plan plan plan") == ["one", "two"]


async def test_case_and_accents_make_no_difference(library: Library) -> None:
    project = await library.project("Cañón del Río")
    await library.document(project, "Übersicht", "Straße nach Ελλάδα, Москва")

    for text in ("canon", "CAÑÓN", "can\u0303on rio"):
        assert await library.find(text) == ["Cañón del Río"]
    for text in ("ubersicht", "straße", "ελλαδα", "\u041c\u041e\u0421\u041a\u0412\u0410"):
        assert await library.find(text) == ["Übersicht"]


async def test_a_title_weighs_more_than_a_text(library: Library) -> None:
    project = await library.project("Shelf")
    await library.document(project, "notes", "on caching and other things")
    await library.document(project, "caching", "on all sorts of other things")

    results = await library.search("caching")

    assert [hit.title for hit in results.hits] == ["caching", "notes"]
    assert results.hits[0].score > results.hits[1].score


async def test_a_conversation_comes_once_with_its_best_message(library: Library) -> None:
    project = await library.project("Shelf")
    talk = await library.talk(
        project, "Choices", "Which queue?", "Queue, queue, queue!", "No queue at all"
    )
    await library.talk(project, "More", "another queue")
    await library.document(project, "Queue")

    results = await library.search("queue")
    first = next(hit for hit in results.hits if hit.id == talk and hit.kind == "conversation")

    assert results.total == len(results.hits) == 3
    assert (first.title, first.project_id) == ("Choices", project)
    assert first.plain == "Queue, queue, queue!"
    assert first.message_id is not None
    assert (await library.search("choices")).hits[0].message_id is None


async def test_pages_do_not_overlap_and_the_total_stays(library: Library) -> None:
    project = await library.project("Shelf")
    for number in range(5):
        await library.document(project, f"page {number}", "of a book")
    for number in range(3):
        await library.talk(project, f"talk {number}", "of a book", "of a book again")

    pages = [await library.search("book", limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert [page.total for page in pages] == [8, 8, 8, 8]
    assert [len(page.hits) for page in pages] == [3, 3, 2, 0]
    titles = [hit.title for page in pages for hit in page.hits]
    assert len(set(titles)) == 8


@pytest.mark.slow
@pytest.mark.parametrize("first", [0x61, 0xAC00, 0x3300, 0x10000])
async def test_a_huge_document_is_stored_and_found_by_its_beginning(
    library: Library, first: int
) -> None:
    project = await library.project("Shelf")
    letters = random.Random(1)
    signs = [chr(letters.randrange(first, first + 26)) for _ in range(400_000)]
    spaced = "".join(sign if n % 3 else f" {sign}" for n, sign in enumerate(signs))

    await library.document(project, "spaced", f"beginning {spaced} ending")
    await library.document(project, "endless", f"beginning {''.join(signs)} ending")

    assert sorted(await library.find("beginning")) == ["endless", "spaced"]
    assert await library.find('"ending"') == []


# ---- filters ------------------------------------------------------------------------------


async def test_filters_restrict_what_is_found_and_counted(library: Library) -> None:
    one, two = await library.project("Alpha plan"), await library.project("Beta plan")
    await library.document(one, "plan a", doc_type="readme")
    await library.document(two, "plan b", changed_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    await library.talk(two, "plan c", "a plan")
    year = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)

    async def find(**filters: Any) -> list[str]:
        results = await library.search("plan", **filters)
        assert results.total == len(results.hits)
        return sorted(hit.title for hit in results.hits)

    assert await find(kinds=["project"]) == ["Alpha plan", "Beta plan"]
    assert await find(kinds=["conversation", "document"]) == ["plan a", "plan b", "plan c"]
    assert await find(kinds="repository") == []
    assert await find(kinds=[]) == []
    assert await find(project_id=one) == ["Alpha plan", "plan a"]
    assert await find(project_id=-1) == []
    assert await find(doc_type="readme") == ["plan a"]
    assert await find(doc_type="readme", kinds=["project"]) == []
    assert await find(until=year) == ["plan b"]
    assert await find(since=year, kinds=["document"]) == ["plan a"]
    assert await find(since=year, until=year) == []


async def test_a_filter_that_there_is_not_is_refused(database: Database) -> None:
    search = SearchRepository(database)

    for options, said in (
        ({"kinds": ["poem"]}, "known are project, conversation, document, repository"),
        ({"doc_type": "poem"}, "known are architecture, api_spec"),
        ({"project_id": "1"}, "number of a project"),
        ({"since": dt.datetime(2020, 1, 1)}, "time zone"),  # noqa: DTZ001 - it is what is refused
        ({"until": "2020"}, "time zone"),
        ({"limit": 0}, "from 1 to 1,000"),
        ({"limit": True}, "from 1 to 1,000"),
        ({"offset": -1}, "further than 1,000"),
        ({"limit": 10, "offset": 991}, "further than 1,000"),
    ):
        with pytest.raises(ValueRefused, match=said):
            await search.search("plan", **options)
    with pytest.raises(ValueRefused, match="pass a text"):
        await search.search(None)  # type: ignore[arg-type]  # it is wrong
    with pytest.raises(ConfigurationError, match="takes a database"):
        SearchRepository("duckdb:///x")  # type: ignore[arg-type]  # it is wrong


# ---- words that are meant by others -------------------------------------------------------


async def test_typos_are_tolerated_and_exact_hits_come_first(library: Library) -> None:
    project = await library.project("Shelf")
    await library.document(project, "similar", "about databases")
    await library.document(project, "exact", "about dattabases, wrongly spelled")

    results = await library.search("dattabases")

    assert [hit.title for hit in results.hits] == ["exact", "similar"]
    assert (results.total, results.is_tolerant, results.did_you_mean) == (2, True, None)
    assert [hit.snippet for hit in results.hits] == [
        "about <mark>dattabases</mark>, wrongly spelled",
        "about <mark>databases</mark>",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("paln", True),  # two letters swapped
        ("plna*", False),  # a beginning
        ('"paln"', False),  # in quotes
        ("pla", False),  # too short
        ("plant", True),
        ("plants", False),  # two of six
        ("archtecure", True),  # two of ten
        ("archtecur3", False),  # a digit
        ("plan -scaffoldng", True),  # not wanted as it is written
    ],
)
async def test_how_much_may_be_wrong(library: Library, typed: str, *, found: bool) -> None:
    project = await library.project("Shelf")
    await library.document(project, "it", "plan of an architecture with a scaffolding")

    assert await library.find(typed) == (["it"] if found else [])


async def test_what_may_have_been_meant_is_said(library: Library) -> None:
    project = await library.project("Shelf")
    await library.document(project, "it", "the architecture of a database")

    results = await library.search('databse architeture "of a"')

    assert results.did_you_mean == 'database architecture "of a"'
    assert results.total == 1
    assert (await library.search("zzzzzzzz")).did_you_mean is None
    assert (await library.search("database")).did_you_mean is None


async def test_with_enough_hits_nothing_else_is_looked_for(library: Library) -> None:
    project = await library.project("Shelf")
    for number in range(3):
        await library.document(project, f"{number}", "a plan")
    await library.document(project, "other", "a clan")

    results = await library.search("plan")

    assert (results.total, results.is_tolerant) == (3, False)


async def test_titles_are_suggested(library: Library) -> None:
    project = await library.project("Lighthouse keeper")
    await library.document(project, "Light bulbs", "lighthouse")
    await library.talk(project, "On light", "lightning")
    search = SearchRepository(library.database)

    async def suggest(prefix: str, limit: int = 8) -> list[str]:
        return sorted(each.title for each in await search.suggest(prefix, limit))

    assert await suggest("ligh") == ["Light bulbs", "Lighthouse keeper", "On light"]
    assert await suggest("keeper lig") == ["Lighthouse keeper"]
    assert await suggest("lighthose") == ["Lighthouse keeper"]
    assert len(await suggest("ligh", 2)) == 2
    assert await suggest("lightning") == []
    assert await suggest(" - ") == []


# ---- pieces of text -----------------------------------------------------------------------


async def test_snippets_are_safe_to_show(library: Library) -> None:
    project = await library.project("Shelf")
    hostile = '<script>alert("plan")</script> & \x1b[31mred <mark>plan</mark> \u202e'
    await library.document(project, "<b>it</b>", hostile)

    hit = (await library.search("plan")).hits[0]

    assert hit.snippet == (
        "&lt;script&gt;alert(&quot;<mark>plan</mark>&quot;)&lt;/script&gt; &amp; [31mred "
        "&lt;mark&gt;<mark>plan</mark>&lt;/mark&gt;"
    )
    assert hit.plain == '<script>alert("plan")</script> & [31mred <mark>plan</mark>'
    assert hit.marked("[", "]") == '<script>alert("[plan]")</script> & [31mred <mark>[plan]</mark>'
    assert hit.title == "<b>it</b>"


async def test_a_snippet_is_around_what_was_found(library: Library) -> None:
    project = await library.project("Shelf")
    await library.document(project, "it", f"{'before ' * 500}the needle itself {'behind ' * 500}")

    hit = (await library.search("needle")).hits[0]

    assert hit.plain.startswith("…")
    assert hit.plain.endswith("…")
    assert "the needle itself" in hit.plain
    assert len(hit.plain) < 250


# ---- viewers ------------------------------------------------------------------------------


async def test_for_a_viewer_other_projects_do_not_exist(library: Library) -> None:
    own = await library.project("Garden", owner="ana")
    shared = await library.project("Orchard", owner="bob")
    await ProjectRepository(library.database).add_member(shared, "ana")
    secret = await library.project("Zeppelin", owner="bob")
    for project in (own, shared, secret):
        await library.document(project, f"apples of {project}", "apples")
    await library.document(secret, "xylophone")
    await library.talk(secret, "apples", "about apples")

    results = await library.search("apples", viewer="ana")

    assert {hit.project_id for hit in results.hits} == {own, shared}
    assert results.total == 2
    assert (await library.search("apples", viewer="bob")).total == 3
    assert (await library.search("apples", viewer="eve")).total == 0
    assert (await library.search("apples", viewer="ana", project_id=secret)).total == 0


async def test_no_word_of_an_invisible_project_is_suggested(library: Library) -> None:
    await library.project("Garden", owner="ana")
    secret = await library.project("Zeppelin", owner="bob")
    await library.document(secret, "xylophone", "marimba")

    for typed in ("xylophon", "zepelin", "marimbas"):
        everybody = await library.search(typed)
        ana = await library.search(typed, viewer="ana")
        assert everybody.did_you_mean is not None
        assert (ana.total, ana.did_you_mean, ana.is_tolerant) == (0, None, False)
    assert await SearchRepository(library.database, viewer="ana").suggest("zep") == []
    assert await SearchRepository(library.database, viewer="ana").suggest("zepelin") == []
    assert len(await SearchRepository(library.database, viewer="bob").suggest("zep")) == 1


# ---- fresh --------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_search_sees_what_was_committed_right_before(library: Library) -> None:
    database = library.database
    project = await library.project("Shelf")
    talk = await library.talk(project, "Choices")

    key = await library.document(project, "it", "apples")
    assert await library.find("apples") == ["it"]
    await DocumentRepository(database).update(key, {"content": "pears", "name": "that"})
    assert await library.find("apples") == []
    assert await library.find("pears") == ["that"]
    await ConversationRepository(database).add_message(talk, {"role": "user", "content": "plums"})
    assert await library.find("plums") == ["Choices"]
    await ConversationRepository(database).update(talk, {"title": "Fruits"})
    assert await library.find("plums") == ["Fruits"]
    await ProjectRepository(database).update(project, {"name": "Board"})
    assert await library.find("board") == ["Board"]
    await DocumentRepository(database).delete(key)
    assert await library.find("pears") == []
    await DocumentRepository(database).restore(key)
    assert await library.find("pears") == ["that"]
    await DocumentRepository(database).bulk_delete([key], purge=True)
    assert await library.find("pears") == []


async def test_a_deleted_project_takes_all_with_it_until_it_is_restored(library: Library) -> None:
    project = await library.project("Shelf of books")
    await library.document(project, "books a")
    await library.talk(project, "books b", "books")
    projects = ProjectRepository(library.database)
    everything = sorted(await library.find("books"))

    await projects.delete(project)

    assert len(everything) == 3
    assert (await library.search("books")).total == 0
    await projects.restore(project)
    assert sorted(await library.find("books")) == everything
    await projects.bulk_delete([project], purge=True)
    assert (await library.search("books")).total == 0


async def test_what_is_moved_to_another_project_is_found_there(library: Library) -> None:
    one, two = await library.project("Alpha"), await library.project("Beta")
    talk = await library.talk(one, "Choices", "about apples")
    assert (await library.search("apples", project_id=one)).total == 1

    await ConversationRepository(library.database).update(talk, {"project_id": two})

    assert (await library.search("apples", project_id=one)).total == 0
    assert (await library.search("apples", project_id=two)).total == 1


async def test_many_rows_are_brought_up_to_date_by_their_range(library: Library) -> None:
    project = await library.project("Shelf")
    documents = DocumentRepository(library.database)
    await library.find("none")
    rows = [{"project_id": project, "name": f"apple {n}", "content": "x"} for n in range(1_200)]

    created = await documents.bulk_create(rows)

    assert (await library.search("apple")).total == 1_200
    await documents.bulk_delete(list(created.ids))
    assert (await library.search("apple")).total == 0


async def test_a_search_on_a_connection_of_somebody_else_works(library: Library) -> None:
    await library.project("Shelf")

    async with library.database.engine.connect() as connection, AsyncSession(connection) as session:
        results = await SearchRepository(session).search("shelf")

    assert results.total == 1


# ---- sessions, and what is typed ----------------------------------------------------------


async def test_a_search_on_a_session_finds_what_is_committed(library: Library) -> None:
    await library.project("Shelf")

    async with library.database.session() as session, SearchRepository(session) as search:
        results = await search.search("shelf")

    assert results.total == 1


@pytest.mark.parametrize(
    "text",
    ["", "   ", '"', "-", "*", "''", "--x", '-"', '"" ""', "a" * 5_000, "\x00", "\ud800", "(", "…"],
)
async def test_no_text_is_a_mistake(library: Library, text: str) -> None:
    assert (await library.search(text)).total == 0


async def test_any_text_can_be_searched_for(library: Library) -> None:
    await library.project("Shelf")
    search = SearchRepository(library.database)
    alphabet = st.one_of(st.text(max_size=40), st.text("ab\"*-:&|!()<>\\'~^[]{} \t%_", max_size=40))

    @settings(
        max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(alphabet)
    def collect(text: str) -> None:
        texts.append(text)

    texts: list[str] = []
    collect()
    for text in texts:
        results = await search.search(text)
        assert results.total >= len(results.hits)
        await search.suggest(text)


async def test_what_was_typed_is_found_again_by_its_own_words(library: Library) -> None:
    project = await library.project("Shelf")
    texts: Sequence[str] = (
        "C++ & C#",
        "50% off!",
        "a_b.c-d",
        "naïve café",
        "日本語 テキスト",
        "e=mc²",
    )
    for text in texts:
        await library.document(project, text, text)

    for text in texts:
        assert text in await library.find(text.replace("-", " ")), text


async def test_the_status_says_whether_the_search_is_up_to_date(
    library: Library, settled: Callable[[Database], Awaitable[None]]
) -> None:
    search = SearchRepository(library.database)
    await library.project("Lighthouse")
    await search.rebuild()
    await library.project("Lamp")

    before = await search.status()
    if before.system == "postgresql":
        await settled(library.database)
    await search.catch_up()
    after = await search.status()

    assert before.system == library.database.engine.dialect.name
    assert before.tolerates_typos
    assert (before.behind, after.behind, after.note) == (1, 0, None)
    assert after.position > before.position
