"""What a result depends on: every table that is read, under the name of its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Select,
    Sequence,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    joinedload,
    mapped_column,
    relationship,
)

from andamios_orm.core.dependence import depends_on
from andamios_orm.exceptions import QueryRefused
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.models.feed import feed_tables, kept_with

if TYPE_CHECKING:
    from andamios_orm.core.dependence import Dependence

pytestmark = pytest.mark.unit

DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has none


class Base(Row, DeclarativeBase):
    """The base of these tests."""


tagged = Table(
    "tagged",
    Base.metadata,
    Column("post_id", ForeignKey("posts.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


totals = Table("totals", Base.metadata, Column("n"), info=kept_with("posts", "tags"))
lost = Table("lost", Base.metadata, Column("n"), info=kept_with("tags", "silent"))
astray = Table("astray", Base.metadata, Column("n"), info=kept_with("nowhere"))


class Author(IntegerKeyMixin, Base):
    """Takes its posts along when it goes."""

    __tablename__ = "authors"
    __feed_name__ = "people"

    name: Mapped[str]


class Post(IntegerKeyMixin, Base):
    """Has tags, comments, and an author whose end the database passes on to it."""

    __tablename__ = "posts"

    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id", ondelete="CASCADE"))
    tags: Mapped[list[Tag]] = relationship(secondary=tagged)
    comments: Mapped[list[Comment]] = relationship()


class Tag(IntegerKeyMixin, Base):
    """A tag."""

    __tablename__ = "tags"

    name: Mapped[str]


class Comment(IntegerKeyMixin, Base):
    """Loses its post, and goes with a post that goes because of its author."""

    __tablename__ = "comments"

    post_id: Mapped[int | None] = mapped_column(
        ForeignKey("posts.id", ondelete="SET NULL", onupdate="CASCADE")
    )
    reply_to: Mapped[int | None] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))


class Animal(IntegerKeyMixin, Base):
    """The base of a hierarchy."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - as SQLAlchemy wants it

    kind: Mapped[str]


class Dog(Animal):
    """Has a table of its own as well."""

    __tablename__ = "dogs"
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012 - as SQLAlchemy wants it

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    barks: Mapped[bool]


class Silent(IntegerKeyMixin, Base):
    """Nobody records its changes."""

    __tablename__ = "silent"
    __feed__ = False


class Quiet(IntegerKeyMixin, Base):
    """Goes with what nobody records."""

    __tablename__ = "quiet"

    silent_id: Mapped[int] = mapped_column(ForeignKey("silent.id", ondelete="CASCADE"))


class Owned(IntegerKeyMixin, Base):
    """Belongs to somebody."""

    __tablename__ = "owned"
    __tenant__ = "owner"

    owner: Mapped[str]


class Plain(DeclarativeBase):
    """A base without a feed."""


class Stranger(Plain):
    """A model without a feed."""

    __tablename__ = "strangers"

    id: Mapped[int] = mapped_column(primary_key=True)


def of(statement: Any) -> Dependence:
    return depends_on(statement, DIALECT)


def test_a_table_without_a_model_is_known_by_its_name() -> None:
    found = of(select(tagged.c.tag_id))

    assert found.entities == {"tagged"}
    assert (found.unrecorded, found.tenant_of) == (None, None)
    assert [(feed, set(names)) for feed, names in found.feeds] == [
        (feed_tables(Base.metadata), {"tagged"})
    ]


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        (select(Tag.name), {"tags"}),
        (select(aliased(Tag).name), {"tags"}),
        (select(Tag.name).where(exists().where(tagged.c.tag_id == Tag.id)), {"tags", "tagged"}),
        (select(select(func.count(Tag.id)).scalar_subquery()), {"tags"}),
        (select(Tag.__table__.c.name), {"tags"}),
        (select(select(Tag.name).cte("chosen").c.name), {"tags"}),
        (union_all(select(Tag.id), select(tagged.c.tag_id)), {"tags", "tagged"}),
        (select(literal(1)), set()),
        (select(literal_column("1"), literal_column("'a'"), func.count()), set()),
        (select(Post.id).where(Post.tags.any(Tag.name == "a")), {"posts", "tags", "tagged"}),
        (select(Post.id).join(Post.tags), {"posts", "tags", "tagged"}),
        (select(Post.id).join(Post.tags).subquery().select(), {"posts", "tags", "tagged"}),
    ],
)
def test_every_table_that_is_read_counts(statement: Select[Any], tables: set[str]) -> None:
    assert {table.name for table in of(statement).tables} == tables


def test_the_database_passes_deletes_on_to_children() -> None:
    assert of(select(Comment.id)).entities == {"comments", "posts", "people", "authors"}
    assert of(select(Post.id)).entities == {"posts", "people", "authors"}
    assert of(select(Author.id)).entities == {"people", "authors"}


def test_a_hierarchy_is_recorded_under_the_name_of_its_base() -> None:
    assert of(select(Dog.barks)).entities == {"animals", "dogs"}
    assert of(select(Dog.__table__.c.barks)).entities == {"animals", "dogs"}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (select(Silent.id), "silent are not recorded"),
        (select(Quiet.id), "silent are not recorded"),
        (select(Stranger.id), "strangers are not recorded"),
        (select(feed_tables(Base.metadata).changes.c.position), "andamios_changes are not"),
        (select(table("notes")), "notes is no Table with a model"),
        (select(Tag.id).where(text("id IN (SELECT 1)")), "text"),
        (select(Tag.id, literal_column("(SELECT max(id) FROM posts)")), "literal_column"),
        (select(Tag.id).where(Tag.name < func.now()), "now() gives something else"),
        (select(Tag.id).order_by(func.random()), "random() gives something else"),
    ],
)
def test_what_nobody_records_is_said(statement: Select[Any], reason: str) -> None:
    assert reason in str(of(statement).unrecorded)


def test_a_table_that_is_kept_with_others_changes_when_those_do() -> None:
    found = of(select(func.sum(totals.c.n)))

    assert (sorted(found.entities), found.unrecorded) == (["posts", "tags"], None)
    assert [table.name for table in found.tables] == ["totals"]


@pytest.mark.parametrize("table", [lost, astray])
def test_a_table_that_is_kept_with_what_nobody_records_is_not_recorded(table: Table) -> None:
    assert f"{table.name} are not recorded" in str(of(select(table.c.n)).unrecorded)


def test_a_model_whose_rows_belong_to_tenants_is_named() -> None:
    assert of(select(Tag.id, Owned.id)).tenant_of == "Owned"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (text("SELECT 1"), "only the results of a select"),
        (insert(Tag), "only the results of a select"),
        (select(Tag), "whole instances of Tag"),
        (select(aliased(Tag), Tag.id), "whole instances"),
        (select(Post).options(joinedload(Post.comments)), "whole instances of Post"),
        (select(Tag.id).with_for_update(), "locks rows"),
        (select(Sequence("numbers").next_value()), "writes"),
        (select(insert(Tag).returning(Tag.id).cte().c.id), "writes"),
        (select(update(Tag).values(name="a").returning(Tag.id).cte().c.id), "writes"),
        (select(delete(Tag).returning(Tag.id).cte().c.id), "writes"),
    ],
)
def test_what_is_no_read_of_columns_is_refused(statement: Any, reason: str) -> None:
    with pytest.raises(QueryRefused, match=reason):
        of(statement)
