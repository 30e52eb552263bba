import asyncio
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response

from andamios_orm import Database
from andamios_orm.queries import ParsedQuery, QueryGrammar
from andamios_orm.repositories import GenericRepository
from andamios_orm.web import detached, page_links, query, repository

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
async def stored(app: FastAPI, database: Database, note: Any, notes: Any) -> None:
    """Store five notes, and give the app a list of them."""
    async with database.transaction() as session:
        session.add_all([note(title=title, stars=n) for n, title in enumerate("abcde")])
    grammar = QueryGrammar(note, fields=["title", "stars"], sort=["stars"], max_limit=4)
    asked = Annotated[Any, Depends(query(grammar, besides=["way"]))]
    found = Annotated[Any, Depends(repository(notes))]

    @app.get("/notes")
    async def listed(
        request: Request, response: Response, asked: asked, found: found, way: str = "offset"
    ) -> list[str]:
        assert isinstance(asked, ParsedQuery)
        rows = asked.apply(found.query())
        page = (
            await rows.page(asked.limit, asked.offset)
            if way == "offset"
            else await rows.cursor_page(asked.limit, asked.cursor)
        )
        response.headers["Link"] = page_links(request, page)
        return [row.title for row in page.items]


async def test_a_repository_works_in_the_session_of_the_request(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any, notes: Any
) -> None:
    generic = repository(lambda session: GenericRepository(session, note))

    @app.post("/notes/{title}")
    async def create(
        title: str,
        one: Annotated[Any, Depends(repository(notes))],
        other: Annotated[Any, Depends(generic)],
    ) -> bool:
        await one.create({"title": title})
        return await other.exists(title=title) and one.session is other.session

    response = await client.post("/notes/a")

    assert response.json() is True
    assert await notes(database).count() == 1


async def test_a_detached_repository_commits_each_call(
    app: FastAPI, client: httpx.AsyncClient, database: Database, notes: Any
) -> None:
    @app.post("/notes/{title}")
    async def create(title: str, found: Annotated[Any, Depends(detached(notes))]) -> int:
        assert found.is_detached
        key: int = (await found.create({"title": title})).id
        return key

    responses = await asyncio.gather(*(client.post(f"/notes/{n % 6}") for n in range(8)))

    assert sorted(response.status_code for response in responses) == [200] * 6 + [409] * 2
    assert await notes(database).count() == 6


async def test_a_detached_repository_runs_again_after_a_conflict(
    app: FastAPI, client: httpx.AsyncClient, database: Database, notes: Any
) -> None:
    await notes(database).create({"title": "a"})

    @app.post("/notes/{key}")
    async def star(key: int, found: Annotated[Any, Depends(detached(notes))]) -> None:
        await found.update(key, {"stars": 1})

    responses = await asyncio.gather(*(client.post("/notes/1") for _ in range(4)))

    assert {response.status_code for response in responses} == {200}


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", "abcd"),
        ("?limit=2&sort=-stars", "ed"),
        ("?stars__ge=1&sort=stars", "bcde"),
        ("?stars=1&stars=3&sort=stars", "bd"),
        ("?title__in=a,e&sort=-stars", "ea"),
    ],
)
@pytest.mark.sampled(3)
async def test_a_query_filters_and_sorts(asked: str, found: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/notes{asked}")).json() == list(found)


@pytest.mark.usefixtures("stored")
async def test_a_query_lists_what_is_known_where_it_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/notes?secret=x")

    assert response.status_code == 422
    assert response.json()["type"].endswith("query-refused")
    assert {"title", "stars__ge", "sort"} <= set(response.json()["known"])


@pytest.mark.usefixtures("stored")
async def test_a_query_names_the_field_of_a_value_that_is_refused(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/notes?stars=many")

    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "stars", "detail": response.json()["detail"]}]
    assert "many" not in response.text


@pytest.mark.usefixtures("stored")
async def test_a_query_is_described_by_openapi_as_the_grammar_describes_it(
    app: FastAPI, note: Any
) -> None:
    grammar = QueryGrammar(note, fields=["title", "stars"], sort=["stars"], max_limit=4)

    described = {
        each["name"]: each for each in app.openapi()["paths"]["/notes"]["get"]["parameters"]
    }

    expected = {each["name"]: each for each in grammar.openapi_parameters()}
    assert described.keys() == {*expected, "way"}
    for name, parameter in expected.items():
        schema = {k: v for k, v in described[name]["schema"].items() if k != "title"}
        assert schema == parameter["schema"]
        assert described[name]["description"] == parameter["description"]
        assert described[name]["required"] is False


@pytest.mark.slow
@pytest.mark.usefixtures("stored")
async def test_a_query_links_to_the_pages_beside_by_offset(client: httpx.AsyncClient) -> None:
    first = await client.get("/notes?limit=2&sort=stars")
    middle = await client.get(first.links["next"]["url"])
    last = await client.get(middle.links["next"]["url"])

    assert (middle.json(), last.json()) == (["c", "d"], ["e"])
    assert ("prev" in first.links, "next" in last.links) == (False, False)
    assert (await client.get(middle.links["prev"]["url"])).json() == ["a", "b"]


@pytest.mark.slow
@pytest.mark.usefixtures("stored")
async def test_a_query_links_to_the_pages_beside_by_cursor(client: httpx.AsyncClient) -> None:
    first = await client.get("/notes?way=cursor&limit=3&sort=stars")
    last = await client.get(first.links["next"]["url"])
    back = await client.get(last.links["prev"]["url"])

    assert (first.json(), last.json(), back.json()) == (list("abc"), list("de"), list("abc"))
    assert "next" not in last.links
