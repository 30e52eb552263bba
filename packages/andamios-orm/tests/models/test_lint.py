"""What the lint finds, held against what the databases do."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from duckdb_sqlalchemy.datatypes import Struct
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.models import (
    EnumByValue,
    Finding,
    Row,
    SoftDeleteMixin,
    UTCDateTime,
    Vector,
    lint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Kind(enum.Enum):
    """One value."""

    A = "a"


@pytest.fixture
def engine(andamios_memory_url: str) -> Iterator[sa.Engine]:
    """Yield an engine with an empty database."""
    engine = sa.create_engine(andamios_memory_url)
    yield engine
    engine.dispose()


def shop(*items: Any, **info: Any) -> sa.MetaData:
    """Return a table with two columns and what is given."""
    metadata = sa.MetaData(info=info)
    plain = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String))
    sa.Table("t", metadata, *plain, *items)
    return metadata


def c(type_: Any, *items: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column("c", type_, *items, **options)


REFUSED = {
    "type": (lambda: c(pg.TSVECTOR), "c: DuckDB has no type TSVECTOR"),
    "range": (lambda: c(pg.INT4RANGE), "c: DuckDB has no type INT4RANGE"),
    "persisted": (lambda: c(sa.Integer, sa.Computed("id + 1", persisted=True)), "generated"),
    "collation": (lambda: c(sa.String(collation="de_DE")), "no collation de_DE"),
    "cascade": (lambda: c(sa.ForeignKey("t.id", ondelete="CASCADE")), "no ondelete='CASCADE'"),
    "set null": (lambda: c(sa.ForeignKey("t.id", onupdate="SET NULL")), "no onupdate='SET NULL'"),
    "exclude": (lambda: pg.ExcludeConstraint(("a", "="), name="x"), "x: DuckDB has no EXCLUDE"),
    "unique list": (lambda: c(sa.ARRAY(sa.Integer), unique=True), "no key over c, a ARRAY"),
    "unique interval": (lambda: c(sa.Interval, unique=True), "no key over c, a Interval"),
    "nulls": (
        lambda: sa.UniqueConstraint("a", name="u", postgresql_nulls_not_distinct=True),
        "u: DuckDB has no NULLS NOT DISTINCT",
    ),
    "partial": (
        lambda: sa.Index("i", "a", postgresql_where=sa.text("id > 1")),
        "i: DuckDB has no index with postgresql_where",
    ),
    "partial plain": (
        lambda: sa.Index("i", "a", duckdb_where=sa.text("id > 1")),
        "i: DuckDB has no index with duckdb_where, unless it is unique",
    ),
    "method": (lambda: sa.Index("i", "a", postgresql_using="gin"), "with postgresql_using"),
    "include": (lambda: sa.Index("i", "a", postgresql_include=["id"]), "postgresql_include"),
    "class": (lambda: sa.Index("i", "a", postgresql_ops={"a": "x"}), "with postgresql_ops"),
    "vector": (lambda: c(Vector(3), index=True), "no index over c, a Vector"),
    "struct": (lambda: c(Struct({"x": sa.Integer}), index=True), "no index over c, a Struct"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.sampled(3)
def test_what_is_said_to_be_refused_is_refused(engine: sa.Engine, make: Any, message: str) -> None:
    metadata = shop(make())

    findings = lint(metadata)

    assert [(finding.kind, finding.table) for finding in findings] == [("refused", "t")]
    assert message in str(findings[0])
    with pytest.raises(sa.exc.SQLAlchemyError):
        metadata.create_all(engine)


DIFFERENT = {
    "length": (lambda: c(sa.String(5)), "c: only the library keeps to 5 characters"),
    "deferrable": (
        lambda: sa.UniqueConstraint("a", name="u", deferrable=True),
        "u: DuckDB checks it with each statement",
    ),
    "cascade": (
        lambda: c(sa.ForeignKey("t.id", ondelete="CASCADE")),
        "c: ondelete='CASCADE' is left to the relationship's cascade",
    ),
}
USELESS = {
    "several": (lambda: sa.Index("i", "a", "id"), "i: DuckDB never chooses it: it has more than"),
    "boolean": (lambda: c(sa.Boolean, index=True), "in too many rows"),
    "enum": (lambda: c(EnumByValue(Kind), index=True), "in too many rows"),
    "document": (lambda: c(sa.JSON, index=True), "not what is in them"),
    "key": (lambda: sa.Index("i", "id"), "i: primary_key_constraint has an index over the same"),
}
FINE = {
    "plain": lambda: c(sa.Integer, index=True),
    "moment": lambda: c(UTCDateTime, index=True),
    "expression": lambda: sa.Index("i", sa.func.lower(sa.text("a"))),
    "unique pair": lambda: sa.Index("i", "a", "id", unique=True),
    "unique partial": lambda: sa.Index(
        "i",
        "a",
        unique=True,
        duckdb_where=sa.text("id > 1"),
        postgresql_where=sa.text("id > 1"),
    ),
    "left out": lambda: sa.Index("i", "a", "id", duckdb_index=False),
    "no action": lambda: c(sa.ForeignKey("t.id", ondelete="NO ACTION")),
    "check": lambda: sa.CheckConstraint("id > 0"),
    "collation": lambda: c(sa.String(collation="NOCASE")),
    "enum": lambda: c(sa.Enum("x", "y", name="kind", native_enum=False)),
}


@pytest.mark.parametrize(
    ("kind", "make", "message"),
    [
        *(pytest.param("different", *row, id=name) for name, row in DIFFERENT.items()),
        *(pytest.param("useless", *row, id=name) for name, row in USELESS.items()),
    ],
)
def test_what_works_otherwise_is_created_and_named(
    engine: sa.Engine, kind: str, make: Any, message: str
) -> None:
    metadata = shop(make(), duckdb_foreign_keys="none")

    findings = lint(metadata)

    assert [finding.kind for finding in findings] == [kind]
    assert message in str(findings[0])
    metadata.create_all(engine)


@pytest.mark.parametrize("make", FINE.values(), ids=FINE)
@pytest.mark.sampled(3)
def test_what_works_is_not_named(engine: sa.Engine, make: Any) -> None:
    metadata = shop(make())

    assert lint(metadata) == []
    metadata.create_all(engine)


CHOSEN = {"n": ["n = 77", "n > 99990"], "label": ["label = 'v77'"]}
NEVER = {
    "n": ["n > 9", "n IN (1, 2)", "n = 77 AND few = 2"],
    "few": ["few = 3"],
    "n, label": ["n = 77 AND label = 'v77'", "n = 77"],
}


@pytest.mark.parametrize(
    ("index", "condition", "used"),
    [
        *((index, condition, True) for index, each in CHOSEN.items() for condition in each),
        *((index, condition, False) for index, each in NEVER.items() for condition in each),
    ],
)
@pytest.mark.sampled(3)
def test_duckdb_chooses_an_index_where_one_condition_finds_few_rows(
    engine: sa.Engine, index: str, condition: str, *, used: bool
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE t AS SELECT n, 'v' || n AS label, n % 5 AS few "
            "FROM (SELECT range * 7919 % 100000 AS n FROM range(100000))"
        )
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE INDEX i ON t ({index})")
    with engine.connect() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN ANALYZE SELECT * FROM t WHERE {condition}")
        plan = explained.all()[0][1]

    assert ("Index Scan" in plan) is used


def test_a_base_is_taken_as_well_and_its_own_tables_are_clean() -> None:
    class Base(Row, DeclarativeBase): ...

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(9))

    assert lint(Base) == [
        Finding(
            "different",
            "things",
            "name",
            "only the library keeps to 9 characters; DuckDB takes more",
        )
    ]


def test_postgresql_is_told_of_double_indexes_only() -> None:
    metadata = shop(sa.Index("i", "id"), sa.Index("j", "a", "id"), c(pg.TSVECTOR))

    assert [finding.name for finding in lint(metadata, "postgresql")] == ["i"]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("dialect", ["postgresql", "duckdb"])
def test_a_foreign_key_refers_to_what_is_unique_among_all_rows(
    dialect: str, *, whole: bool
) -> None:
    class Base(DeclarativeBase): ...

    class Person(SoftDeleteMixin, Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True, info={"with_deleted": whole})

    sa.Table("cards", Base.metadata, sa.Column("name", sa.ForeignKey(Person.name)))
    sa.Table("seats", Base.metadata, sa.Column("person", sa.ForeignKey(Person.id)))

    found = [str(finding) for finding in lint(Base, dialect)]

    refused = (
        "cards.name: it refers to people, where deleted rows do not count: "
        "write info={'with_deleted': True} on what is unique there (refused)"
    )
    assert found == ([] if whole else [refused])


def test_another_dialect_is_not_known() -> None:
    with pytest.raises(ConfigurationError, match="'sqlite': say duckdb or postgresql"):
        lint(sa.MetaData(), "sqlite")
