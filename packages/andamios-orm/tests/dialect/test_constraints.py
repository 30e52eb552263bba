"""Which constraint of DuckDB's catalog is which one of a migration."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.constraints import find, named_like, shape_of, written_in
from andamios_orm.dialect.shapes import ColumnShape, ConstraintShape, TableShape

pytestmark = pytest.mark.unit

KEY = ConstraintShape("PRIMARY KEY", ("Id",))
UNIQUE = ConstraintShape("UNIQUE", ("a", "b"))
OTHER = ConstraintShape("UNIQUE", ("b",))
CHECK = ConstraintShape("CHECK", ("a",), expression="(a > 0)")
FOREIGN = ConstraintShape("FOREIGN KEY", ("a",), refers_to='p "x"', referred=("id",))
TABLE = TableShape(
    "t",
    None,
    tuple(ColumnShape(name, "INTEGER") for name in ("Id", "a", "b")),
    (KEY, UNIQUE, OTHER, CHECK, FOREIGN),
)
CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
}
MODELS = (sa.MetaData(), sa.MetaData(naming_convention=CONVENTION))


def constraints() -> list[ConstraintShape]:
    """Return what a table of a migration has, in the order of its statement."""
    metadata = sa.MetaData()
    sa.Table("p", metadata, sa.Column("id", sa.Integer, primary_key=True))
    table = sa.Table(
        "t",
        metadata,
        sa.CheckConstraint("a LIKE '5%'", name="last"),
        sa.Column("a", sa.ForeignKey("p.id", name="fk"), sa.CheckConstraint("a > 0", name="first")),
        sa.Column("b", sa.Integer, unique=True),
        sa.PrimaryKeyConstraint("a", "b", name="pk"),
        sa.CheckConstraint(sa.column("b") < sa.literal(5)),
        sa.UniqueConstraint("b", "a", name="uq"),
    )
    dialect = sa.create_engine("duckdb:///:memory:").dialect
    return [shape_of(each, dialect) for each in written_in(table)]


def test_constraints_are_as_the_statement_says_them() -> None:
    found = constraints()

    assert [each for each in found if each.kind == "CHECK"] == [
        ConstraintShape("CHECK", expression="a > 0", name="first"),
        ConstraintShape("CHECK", expression="a LIKE '5%'", name="last"),
        ConstraintShape("CHECK", expression="b < 5"),
    ]
    assert {each for each in found if each.kind != "CHECK"} == {
        ConstraintShape("PRIMARY KEY", ("a", "b"), name="pk"),
        ConstraintShape("UNIQUE", ("b",)),
        ConstraintShape("UNIQUE", ("b", "a"), name="uq"),
        ConstraintShape("FOREIGN KEY", ("a",), refers_to="p", referred=("id",), name="fk"),
    }


def test_names_go_to_the_same_kind_and_columns_and_to_checks_in_their_order() -> None:
    second = replace(CHECK, expression="(b > 0)")
    found = (KEY, CHECK, UNIQUE, FOREIGN, second, OTHER)
    given = [
        replace(FOREIGN, columns=("A",), name="fk"),
        ConstraintShape("CHECK", expression="a > 0", name="one"),
        ConstraintShape("CHECK", expression="b>0", name="two"),
        replace(UNIQUE, name="uq"),
        replace(KEY, columns=("id",), name="pk"),
    ]

    names = [each.name for each in named_like(found, given)]

    assert names == ["pk", "one", "uq", "fk", "two", None]


def test_checks_get_no_names_where_there_are_more_or_fewer() -> None:
    given = [replace(CHECK, name="one"), replace(CHECK, name="two")]

    assert named_like([replace(CHECK, name="old")], given) == (CHECK,)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("t_id_pkey", None, KEY),
        ("t_a_b_key", "UNIQUE", UNIQUE),
        ("t_b_key", "UNIQUE", OTHER),
        ("t_a_check", None, CHECK),
        ("t_a_fkey", "FOREIGN KEY", FOREIGN),
        ("pk_t", None, KEY),
        ("uq_t_b", "UNIQUE", OTHER),
        ('fk_t_a_p "x"', None, FOREIGN),
        ("whatever", "CHECK", CHECK),
        ("whatever", "UNIQUE", None),
        ("whatever", None, None),
        ("pk_t", "UNIQUE", None),
    ],
)
def test_a_constraint_without_a_name_is_found(
    name: str, kind: str | None, expected: ConstraintShape | None
) -> None:
    assert find(TABLE, name, kind, MODELS) is expected


def test_a_name_that_was_given_counts_most() -> None:
    named = replace(OTHER, name="t_a_b_key")
    table = replace(TABLE, constraints=(replace(UNIQUE, name="mine"), named, CHECK))

    assert find(table, "t_a_b_key", "UNIQUE", MODELS) is named
    assert find(table, "mine", None, MODELS) is table.constraints[0]


def test_a_constraint_of_another_name_is_not_taken_for_the_only_one() -> None:
    table = replace(TABLE, constraints=(replace(CHECK, name="mine"),))

    assert find(table, "yours", "CHECK", MODELS) is None


def test_a_key_to_its_own_table_has_a_conventional_name() -> None:
    own = ConstraintShape("FOREIGN KEY", ("a",), refers_to="t", referred=("Id",))
    table = replace(TABLE, constraints=(own, FOREIGN))

    assert find(table, "fk_t_a_t", "FOREIGN KEY", MODELS) is own
