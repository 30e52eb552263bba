from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.exceptions import ConfigurationError
from andamios_orm.web import (
    ConditionsDependency,
    RequiredConditionsDependency,
    SessionDependency,
    etag_of,
    repository,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class _Base(DeclarativeBase):
    pass


class _Plain(_Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
async def routes(app: FastAPI, database: Database, note: Any, notes: Any) -> None:
    """Give the app a note with key 1, to read, to change and to put."""
    notes_of_request = Annotated[Any, Depends(repository(notes))]

    @app.get("/notes/{key}")
    async def read(
        key: int, found: notes_of_request, conditions: ConditionsDependency, weak: int = 0
    ) -> dict[str, Any]:
        row = await found.get(key)
        conditions.check(row, weak=bool(weak))
        return {"title": row.title}

    @app.patch("/notes/{key}")
    async def change(
        key: int, title: str, found: notes_of_request, conditions: RequiredConditionsDependency
    ) -> dict[str, Any]:
        conditions.check(await found.get(key))
        row = await found.update(key, {"title": title})
        conditions.tag(row)
        return {"title": row.title}

    @app.put("/notes/{key}")
    async def put(key: int, session: SessionDependency, conditions: ConditionsDependency) -> None:
        conditions.check(await session.get(note, key))

    async with database.transaction() as session:
        session.add(note(title="first"))


@pytest.mark.usefixtures("routes")
async def test_a_row_has_its_version_as_etag(client: httpx.AsyncClient) -> None:
    response = await client.get("/notes/1")

    assert response.headers["etag"] == '"1"'


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', "*", ' "0" ,W/"1"'])
@pytest.mark.sampled(3)
async def test_a_row_that_is_known_is_not_sent_again(known: str, client: httpx.AsyncClient) -> None:
    response = await client.get("/notes/1", headers={"If-None-Match": known})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("known", ['"2"', "1", "", '"*"'])
@pytest.mark.sampled(3)
async def test_a_row_that_is_not_known_is_sent(known: str, client: httpx.AsyncClient) -> None:
    response = await client.get("/notes/1", headers={"If-None-Match": known})

    assert response.json() == {"title": "first"}


@pytest.mark.usefixtures("routes")
async def test_a_row_is_changed_if_it_is_the_one_that_was_seen(client: httpx.AsyncClient) -> None:
    response = await client.patch("/notes/1?title=new", headers={"If-Match": '"1"'})

    assert response.headers["etag"] == '"2"'
    assert (await client.get("/notes/1")).json() == {"title": "new"}


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("seen", ['"2"', 'W/"1"', "1"])
async def test_a_row_is_not_changed_if_it_is_another(seen: str, client: httpx.AsyncClient) -> None:
    response = await client.patch("/notes/1?title=new", headers={"If-Match": seen})

    assert (response.status_code, response.headers["etag"]) == (412, '"1"')
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("routes")
async def test_a_row_is_not_changed_unconditionally_where_a_route_demands_it(
    client: httpx.AsyncClient,
) -> None:
    response = await client.patch("/notes/1?title=new")

    assert (response.status_code, response.json()["title"]) == (428, "Precondition Required")


@pytest.mark.usefixtures("routes")
async def test_a_row_may_be_demanded_to_exist_or_not_to(client: httpx.AsyncClient) -> None:
    statuses = [
        (await client.put(f"/notes/{key}", headers={name: "*"})).status_code
        for name in ("If-Match", "If-None-Match")
        for key in (1, 2)
    ]

    assert statuses == [200, 412, 412, 200]


@pytest.mark.usefixtures("routes")
async def test_a_row_that_shows_more_than_itself_has_a_weak_etag(client: httpx.AsyncClient) -> None:
    shown = await client.get("/notes/1?weak=1")
    again = await client.get("/notes/1?weak=1", headers={"If-None-Match": 'W/"1"'})
    matched = await client.get("/notes/1?weak=1", headers={"If-Match": '"1"'})

    assert shown.headers["etag"] == 'W/"1"'
    assert (again.status_code, matched.status_code) == (304, 412)


def test_a_model_without_a_version_has_no_etag() -> None:
    with pytest.raises(ConfigurationError, match="VersionMixin"):
        etag_of(_Plain(id=1))
