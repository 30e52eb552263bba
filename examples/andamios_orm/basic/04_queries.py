"""Queries step by step: filters, order, pages, cursors, and results in other shapes.

Shows ``QueryBuilder``: conditions by column and by keyword, JSON paths, search, soft
names of fields, ``page``, ``cursor_page``, ``dicts``, ``arrow``, ``to_parquet``.

Prints what each query finds. Costs: one statement for each result, two for a page
with its total; a cursor page reads one row more than it shows.

Edge cases: a misspelled name, a value of the wrong type and text in place of a
condition are refused before anything is sent; NULL comes last on both databases.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session, run
from andamios_orm.exceptions import CursorRefused, QueryRefused, UnknownField, ValueRefused
from andamios_orm.queries import QueryBuilder, json_path


class Base(DeclarativeBase):
    """The base of this example."""


class Project(Base):
    """A project with a document."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str]
    score: Mapped[int | None]
    architecture: Mapped[dict[str, Any]] = mapped_column(JSON)


def projects() -> list[Project]:
    """Return some projects."""
    return [
        Project(
            id=number,
            name=f"Project {number}",
            status="active" if number % 3 else "draft",
            score=None if number == 7 else number * 10 % 70,
            architecture={"framework": {"name": "FastAPI" if number % 2 else "Django"}},
        )
        for number in range(1, 13)
    ]


async def by_column_and_by_keyword(session: Session) -> None:
    """Columns are checked by the type checker, keywords by the builder."""
    query = QueryBuilder(Project, session)
    active = query.filter(Project.status == "active").filter(score__ge=20)
    print("active:", [project.id for project in await active.order_by("-score").all()])
    fastapi = json_path(Project.architecture, "framework", "name").as_(str) == "FastAPI"
    print("FastAPI:", await query.filter(fastapi).count())
    print("Django:", await query.filter_json("architecture", "$.framework.name", "Django").count())
    print("search:", await query.search("project 11").scalars(Project.name))


async def in_pages(session: Session) -> None:
    """By offset with a total, or by cursor."""
    query = QueryBuilder(Project, session).order_by("-score")
    page = await query.page(limit=5, offset=5)
    print(f"page: {len(page.items)} of {page.total}, {page.pages} pages")
    cursor, seen = None, []
    while True:
        part = await query.cursor_page(5, cursor)
        seen += [project.id for project in part.items]
        cursor = part.next
        if cursor is None:
            break
    print("by cursor:", seen)
    assert len(set(seen)) == 12


async def in_other_shapes(session: Session, folder: Path) -> None:
    """Dicts, columns, files."""
    query = QueryBuilder(Project, session).filter(status="draft").order_by("id")
    print("dicts:", await query.limit(1).dicts("id", "name"))
    print("arrow:", (await query.arrow("id", "score")).column_names)
    print("written:", await query.to_parquet(folder / "drafts.parquet"))


async def what_is_refused(session: Session) -> None:
    """Nothing of this reaches the database."""
    query = QueryBuilder(Project, session)
    text: Any = "status = 'active'"
    for attempt in (
        lambda: query.filter(statsu="active"),
        lambda: query.filter(score="high"),
        lambda: query.filter(text),
        lambda: query.after("made up").statement(),
    ):
        try:
            attempt()
        except (UnknownField, ValueRefused, CursorRefused, QueryRefused) as error:
            print(f"{type(error).__name__}: {str(error)[:60]}")


async def main() -> None:
    """Run all of it."""
    with tempfile.TemporaryDirectory() as folder:
        async with Database("duckdb:///:memory:") as database:
            async with database.engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            async with database.transaction() as session:
                session.add_all(projects())
            async with database.session() as session:
                await by_column_and_by_keyword(session)
                await in_pages(session)
                await in_other_shapes(session, Path(folder))
                await what_is_refused(session)


if __name__ == "__main__":
    run(main())
