"""The base of the models, and what every row of an organisation has."""

from __future__ import annotations

import uuid  # noqa: TC003 - SQLAlchemy reads the annotations of mixins
from typing import Any, ClassVar, Final

from sqlalchemy import FetchedValue, ForeignKeyConstraint, Index, Uuid, text
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from andamios_orm.models import Row, uuid7
from andamios_orm.models.feed import feed_tables

__all__ = ["Base", "TenantMixin", "above", "below", "refers_to", "tenant_key", "within"]

NEW_KEY: Final = text("axai_uuid7()")
"""Makes a key where the client makes none; the function comes with the first change."""


class Base(Row, DeclarativeBase):
    """The tables of organisations; they share no table with any other base."""


_CHANGES: Final = feed_tables(Base.metadata).changes
Index("ix_andamios_changes_tenant_position", _CHANGES.c.tenant, _CHANGES.c.position)


class TenantMixin:
    """A row of an organisation: its key in the database is ``(org_id, id)``.

    A session knows a row by ``id`` alone: of two organisations' rows with the same id, which
    only somebody who chooses ids can make, it keeps the first that it loads, for both.
    ``org_id`` may be left out: the database takes it from the context, or from the row that
    this one belongs to, and gives it back.
    """

    __tenant__: ClassVar[str | None] = "org_id"

    org_id: Mapped[uuid.UUID] = mapped_column(
        Uuid, primary_key=True, server_default=FetchedValue(), sort_order=-101
    )
    # A sentinel: of many rows in one INSERT, it tells which is which of those that come back.
    id: Mapped[uuid.UUID] = mapped_column(
        Uuid,
        primary_key=True,
        default=uuid7,
        server_default=NEW_KEY,
        insert_sentinel=True,
        sort_order=-100,
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Return that rows are known by ``id``."""
        return {"primary_key": [cls.id]}


def refers_to(table: str, column: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """Return the key from ``column`` to a row of the same organisation in ``table``.

    ``ondelete="SET NULL"`` sets that column only: a row never loses its organisation.
    """
    action = f"SET NULL ({column})" if ondelete == "SET NULL" else ondelete
    return ForeignKeyConstraint(
        ["org_id", column], [f"{table}.org_id", f"{table}.id"], ondelete=action
    )


def tenant_key() -> ForeignKeyConstraint:
    """Return the key from a row to its organisation, with which it goes."""
    return ForeignKeyConstraint(["org_id"], ["organizations.id"], ondelete="CASCADE")


def within(parent: str, key: str) -> str:
    """Return the join of ``parent`` and what refers to it by ``key``, in one organisation.

    Both columns of the key are compared, and only one is written: a row that is added to a
    relationship keeps its organisation.

    >>> within("Document", "Summary.document_id")
    'and_(Document.org_id == Summary.org_id, Document.id == foreign(Summary.document_id))'
    """
    child = key.partition(".")[0]
    return f"and_({parent}.org_id == {child}.org_id, {parent}.id == foreign({key}))"


def above(key: str) -> str:
    """Return the join of a row and the one of the same table that its ``key`` refers to."""
    model = key.partition(".")[0]
    return f"and_(remote({model}.org_id) == {model}.org_id, remote({model}.id) == foreign({key}))"


def below(key: str) -> str:
    """Return the join of a row and those of the same table whose ``key`` refers to it."""
    model = key.partition(".")[0]
    return f"and_({model}.org_id == remote({model}.org_id), {model}.id == remote(foreign({key})))"
