from typing import Any

import pytest
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship

from andamios_orm._compat import LazyLoader
from andamios_orm.dialect import DuckDBDialect

pytestmark = pytest.mark.unit


class Base(DeclarativeBase):
    """The base of these tables."""


class Child(Base):
    """Has a parent that loads by itself."""

    __tablename__ = "children"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))
    parent: Mapped["Parent"] = relationship()


class Parent(Base):
    """Is loaded when it is touched."""

    __tablename__ = "parents"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.slow
def test_every_sqlalchemy_loads_lazily_by_this_class() -> None:
    configure_mappers()
    loader: Any = Child.parent.impl.callable_

    assert isinstance(loader.__self__, LazyLoader)


def test_every_sqlalchemy_reflects_a_type_by_its_name() -> None:
    dialect: Any = DuckDBDialect()

    found = dialect._reflect_pg_type_compat(
        "character varying(40)", type_description="column 'name'"
    )

    assert isinstance(found, String)
    assert found.length == 40
