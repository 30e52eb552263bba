"""A FastAPI app on any of your models: sessions, repositories, queries, problems, ETags.

Shows ``install()``, a session a request that commits before the response is sent, a
repository as a dependency, the query grammar with its parameters in OpenAPI, and a change
that is refused unless it names the version it saw.

Prints the answers of the app to requests made through ASGI, without a network. To serve it,
give ``app_on(...)`` to a server such as uvicorn, which this library does not need.

Edge cases: FastAPI reads annotations at run time, so a module with routes and their types
inside of a function cannot have ``from __future__ import annotations``; on a DuckDB file one
process serves, so one worker; ``ASGITransport`` runs no lifespan, which only opens early.
"""

from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run
from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin
from andamios_orm.queries import ParsedQuery, QueryGrammar
from andamios_orm.repositories import BaseRepository
from andamios_orm.web import (
    ConditionsDependency,
    RequiredConditionsDependency,
    install,
    page_links,
    problem_responses,
    query,
    repository,
)


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Book(IntegerKeyMixin, VersionMixin, Base):
    """A book."""

    __tablename__ = "books"

    title: Mapped[str] = mapped_column(String(80), unique=True)
    year: Mapped[int]


class BookIn(BaseModel):
    """What a client sends."""

    title: str = Field(max_length=80)
    year: int


class BookOut(BookIn):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)
    id: int


class BookRepository(BaseRepository[Book]):
    """Books."""

    model = Book


GRAMMAR = QueryGrammar(Book, fields=["title", "year"], sort=["title", "year"])
Books = Annotated[BookRepository, Depends(repository(BookRepository))]
Asked = Annotated[ParsedQuery[Book], Depends(query(GRAMMAR))]


def app_on(database: Database) -> FastAPI:
    """Return the app, with its books in ``database``."""
    app = FastAPI(title="Books", responses=problem_responses(404, 409, 412, 422))
    install(app, database)

    @app.post("/books", status_code=201, response_model=BookOut)
    async def create(values: BookIn, books: Books) -> Book:
        return await books.create(values)

    @app.get("/books", response_model=list[BookOut])
    async def find(request: Request, response: Response, asked: Asked, books: Books) -> list[Book]:
        page = await asked.apply(books.query()).cursor_page(asked.limit, asked.cursor)
        response.headers["Link"] = page_links(request, page)
        return list(page.items)

    @app.get("/books/{key}", response_model=BookOut)
    async def read(key: int, books: Books, conditions: ConditionsDependency) -> Book:
        book = await books.get(key)
        conditions.check(book)
        return book

    @app.put("/books/{key}", response_model=BookOut)
    async def change(
        key: int, values: BookIn, books: Books, conditions: RequiredConditionsDependency
    ) -> Book:
        conditions.check(await books.get(key))
        book = await books.update(key, values)
        conditions.tag(book)
        return book

    return app


async def main(url: str = "duckdb:///:memory:") -> None:
    """Ask the app some questions."""
    async with Database(url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        transport = httpx.ASGITransport(app_on(database))
        async with httpx.AsyncClient(transport=transport, base_url="http://books") as client:
            await ask(client)


async def ask(client: httpx.AsyncClient) -> None:
    """Store, find and change books, and make the mistakes that clients make."""
    for title, year in (("Emma", 1815), ("Dracula", 1897), ("Ulysses", 1922)):
        stored = await client.post("/books", json={"title": title, "year": year})
        assert stored.status_code == 201, stored.text
    again = await client.post("/books", json={"title": "Emma", "year": 1815})
    print("twice:", again.status_code, again.json()["title"], again.json()["errors"][0]["field"])

    found = await client.get("/books?year__lt=1900&sort=-year&limit=1")
    print("before 1900:", [book["title"] for book in found.json()])
    rest = await client.get(found.links["next"]["url"])
    print("and then:", [book["title"] for book in rest.json()])
    wrong = await client.get("/books?colour=red")
    print("unknown:", wrong.status_code, wrong.json()["known"][:3])

    read = await client.get("/books/1")
    tag = read.headers["etag"]
    same = await client.get("/books/1", headers={"If-None-Match": tag})
    print("known already:", same.status_code)
    values = {"title": "Emma", "year": 1816}
    for headers in ({}, {"If-Match": tag}, {"If-Match": tag}):
        answer = await client.put("/books/1", json=values, headers=headers)
        print("change:", answer.status_code, answer.headers.get("etag"))
    print("nowhere:", (await client.get("/books/99")).json()["detail"])


if __name__ == "__main__":
    run(main())
