"""What a base made with ``Row`` gives to its tables and instances."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    MappedAsDataclass,
    mapped_column,
    registry,
    relationship,
)
from sqlalchemy.schema import CreateTable

from andamios_orm.dialect import DuckDBDialect
from andamios_orm.models import IntegerKeyMixin, Model, Row, UTCDateTime
from andamios_orm.models.base import NAMING_CONVENTION, TYPES

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


membership = sa.Table(
    "memberships",
    Base.metadata,
    sa.Column("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("team_id", sa.ForeignKey("teams.id"), primary_key=True),
)


class Person(IntegerKeyMixin, Base):
    """Refers to teams in several ways, and to other people."""

    __tablename__ = "people"
    name: Mapped[str] = mapped_column(unique=True)
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id"))
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"), index=True)
    teams: Mapped[list[Team]] = relationship(secondary=membership)
    __table_args__ = (sa.CheckConstraint("name <> ''", name="named"),)


class Team(IntegerKeyMixin, Base):
    """Refers back: a circle."""

    __tablename__ = "teams"
    lead_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id", use_alter=True))


class Everything(Base):
    """One column of each annotation that has a meaning of its own."""

    __tablename__ = "everything"
    id: Mapped[int] = mapped_column(primary_key=True)
    fraction: Mapped[float]
    exact: Mapped[decimal.Decimal]
    moment: Mapped[dt.datetime]
    document: Mapped[dict[str, Any]]
    tags: Mapped[list[str] | None]


async def foreign_keys(database: Database) -> int:
    query = sa.text(
        "SELECT count(*) FROM information_schema.table_constraints "
        "WHERE constraint_type = 'FOREIGN KEY'"
    )
    async with database.session() as session:
        return int((await session.execute(query)).scalar_one())


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


async def test_foreign_keys_are_physical_on_postgresql_only(database: Database) -> None:

    found = await foreign_keys(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)

    assert found == (0 if database.engine.dialect.name == "duckdb" else 5)


async def test_foreign_keys_of_other_metadata_are_created_on_duckdb(
    duckdb_database: Database,
) -> None:
    metadata = sa.MetaData()
    sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("b", metadata, sa.Column("a_id", sa.ForeignKey("a.id")))

    async with duckdb_database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)

    assert await foreign_keys(duckdb_database) == 1


def test_the_statement_alone_says_the_same() -> None:
    table: Any = Person.__table__

    on_duckdb = str(CreateTable(table).compile(dialect=DuckDBDialect()))
    on_postgresql = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy's

    assert "FOREIGN KEY" not in on_duckdb
    assert on_postgresql.count("FOREIGN KEY") == 2


def test_the_metadata_says_that_its_keys_are_checked_by_the_library() -> None:
    assert Base.metadata.info["andamios"] is True


@pytest.mark.slow
async def test_the_models_are_no_difference_to_alembic(database: Database) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        Base.metadata.create_all(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.begin() as connection:
        found = await connection.run_sync(differences)

    assert found == []


def test_constraints_and_indexes_are_named_by_convention() -> None:
    table: Any = Person.__table__

    names = {item.name for item in (*table.constraints, *table.indexes)}

    assert names == {
        "pk_people",
        "uq_people_name",
        "ck_people_named",
        "fk_people_boss_id_people",
        "fk_people_team_id_teams",
        "ix_people_team_id",
    }


async def test_annotations_become_columns_that_keep_their_values(database: Database) -> None:
    values = {
        "id": 2**40,
        "fraction": 0.1,
        "exact": decimal.Decimal("12345678901234567890.123456789"),
        "moment": dt.datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        "document": {"a": [1, None]},
        "tags": ["x"],
    }

    async with database.transaction() as session:
        session.add(Everything(**values))
    async with database.session() as session:
        read = (await session.scalars(sa.select(Everything))).one()

    assert {name: getattr(read, name) for name in values} == values


def test_a_base_keeps_the_metadata_and_types_that_it_brings() -> None:
    own = sa.MetaData(schema="shop")

    class Own(Row, DeclarativeBase):
        metadata = own
        type_annotation_map = {int: sa.SmallInteger}  # noqa: RUF012 - SQLAlchemy's own form

    class Thing(Own):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[dt.datetime]

    columns = Thing.__table__.c
    assert Own.metadata is own
    assert own.info["andamios"] is True
    assert isinstance(columns.id.type, sa.SmallInteger)
    assert isinstance(columns.at.type, UTCDateTime)


def test_a_base_keeps_the_registry_that_it_brings() -> None:
    own = registry(type_annotation_map={int: sa.SmallInteger})

    class Own(Row, DeclarativeBase):
        registry = own

    class Thing(Own):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[dt.datetime]

    columns = Thing.__table__.c
    assert Own.metadata is own.metadata
    assert isinstance(columns.id.type, sa.SmallInteger)
    assert isinstance(columns.at.type, UTCDateTime)


def test_two_bases_share_nothing() -> None:
    class One(Row, DeclarativeBase): ...

    class Other(Row, DeclarativeBaseNoMeta): ...

    assert One.metadata is not Other.metadata
    assert Other.metadata.naming_convention == dict(NAMING_CONVENTION)
    assert set(TYPES) <= set(Other.registry.type_annotation_map)


def test_a_base_may_make_dataclasses() -> None:
    class Base(MappedAsDataclass, Row, DeclarativeBase): ...

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str]

    assert Thing(1, "a").label == "a"
    assert repr(Thing(1, "a")).endswith("Thing(id=1, label='a')")


class Note(Model):
    """On the base that is ready for use."""

    __tablename__ = "notes_of_the_tests"
    number: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True, info={"secret": True})


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (Note(), "Note()"),
        (Note(number=7), "Note(number=7)"),
        (Note(number=7, token="hunter2"), "Note(number=7, token=***)"),  # noqa: S106 - that is the point
    ],
)
def test_an_instance_shows_its_key_and_no_secret(note: Note, shown: str) -> None:
    assert repr(note) == shown


class Defaults(IntegerKeyMixin, Base):
    """Has values that only the database knows."""

    __tablename__ = "defaults"
    label: Mapped[str] = mapped_column(server_default="new")
    touched: Mapped[int] = mapped_column(server_default="0", onupdate=sa.text("touched + 1"))


async def test_what_the_database_fills_in_is_there_at_once(database: Database) -> None:

    async with database.transaction() as session:
        row = Defaults()
        session.add(row)
        await session.flush()
        inserted = (row.id, row.label, row.touched)
        row.label = "old"
        await session.flush()

        assert inserted == (1, "new", 0)
        assert row.touched == 1


def test_a_model_that_wants_its_defaults_later_keeps_them_so() -> None:
    class Later(IntegerKeyMixin, Base):
        __tablename__ = "later"
        __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy's own form

    assert (Later.__mapper__.eager_defaults, Defaults.__mapper__.eager_defaults) == (False, True)
