"""What type checkers know of a query: a wrong name or text in place of a condition is an error."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, assert_type

import pytest
from sqlalchemy import Row
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.queries import CursorPage, Page, QueryBuilder
from andamios_orm.queries.aggregations import count

pytestmark = pytest.mark.unit


class Base(DeclarativeBase):
    """The base of this table."""


class Project(Base):
    """A project."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


async def results(query: QueryBuilder[Project]) -> None:
    """Say what each call gives; this is checked, never run."""
    assert_type(query.filter(Project.status == "active"), QueryBuilder[Project])
    assert_type(await query.all(), Sequence[Project])
    assert_type(await query.first(), Project | None)
    assert_type(await query.one(), Project)
    assert_type(await query.count(), int)
    assert_type(await query.exists(), bool)
    assert_type(await query.scalars(Project.status), Sequence[str])
    assert_type(query.stream(), AsyncIterator[Project])
    assert_type(await query.page(), Page[Project])
    assert_type(await query.cursor_page(), CursorPage[Project])
    assert_type(query.aggregate(count()), QueryBuilder[Row[Any]])
    assert_type(await query.group_by("status").all(), Sequence[Row[Any]])
    assert_type(await query.to(Project), list[Project])


def mistakes(query: QueryBuilder[Project]) -> None:
    """Say what is an error to a type checker: an unused ignore would be one as well."""
    query.filter(Project.statsu == "active")  # type: ignore[attr-defined]  # no such field
    query.filter("status = 'active'")  # type: ignore[arg-type]  # text is no condition


def test_a_builder_is_of_its_model() -> None:
    assert_type(QueryBuilder(Project), QueryBuilder[Project])
