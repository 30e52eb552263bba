"""Shapes of tables: what they are in SQL, and the shapes that follow from them."""

from __future__ import annotations

import pytest

from andamios_orm.dialect.quoting import quoted
from andamios_orm.dialect.shapes import (
    ColumnShape,
    ConstraintShape,
    IndexShape,
    TableShape,
    mentions,
    renamed,
    unqualified,
)

pytestmark = pytest.mark.unit

COLUMNS = tuple(ColumnShape(name, "INTEGER") for name in ("id", "boss", "n"))
KEY = ConstraintShape("PRIMARY KEY", ("ID",))
UNIQUE = ConstraintShape("UNIQUE", ("n", "boss"))
CHECK = ConstraintShape("CHECK", expression="(n > 0)")
BOSS = ConstraintShape("FOREIGN KEY", ("boss",), refers_to="T", referred=("Id",))
OTHER = ConstraintShape("FOREIGN KEY", ("n",), refers_to="other", referred=("id",))
TABLE = TableShape(
    "t",
    None,
    (*COLUMNS, ColumnShape("g", "INTEGER", generated="(n + 1)")),
    (KEY, UNIQUE, CHECK, BOSS, OTHER),
    (IndexShape("i", unique=False, parts=("n", "(lower(boss))")),),
)

EXPRESSIONS = {
    "a column": ("(price > 0)", '("p" > 0)'),
    "in upper case": ("(PRICE > 0)", '("p" > 0)'),
    "quoted": ('("Price" > 0)', '("p" > 0)'),
    "a field of it": ('((price).a > price."x")', '(("p").a > "p"."x")'),
    "behind a number": ("(1 + price)", '(1 + "p")'),
    "in a cast": ("CAST(price AS PRICE)", 'CAST("p" AS PRICE)'),
    "behind a cast": (
        "(CAST(a AS STRUCT(price DECIMAL(4, 2))) > price)",
        '(CAST(a AS STRUCT(price DECIMAL(4, 2))) > "p")',
    ),
    "with a collation": ("(price COLLATE price)", '("p" COLLATE price)'),
    "at its ends": ("price", '"p"'),
}
OTHERS = {
    "a text": "(name = 'price ''price')",
    "a function": "(price(a) + price (b) + main.price(c))",
    "a field": '((a.price > 0) AND (a."price" > 0))',
    "a name of a field": "main.struct_pack(price := 1)",
    "part of a name": '((prices > price_) AND ("a price" > oprice) AND ("pr""ice" > 1))',
    "a type": "CAST(a AS PRICE)",
    "a longer type": "CAST(a AS MAP(VARCHAR, STRUCT(price DECIMAL(4, 2))))",
}


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_column_is_found_and_renamed(expression: str, expected: str) -> None:
    assert mentions(expression, "Price")
    assert renamed(expression, "price", '"p"') == expected


@pytest.mark.parametrize("expression", OTHERS.values(), ids=OTHERS)
def test_what_is_no_column_is_left_alone(expression: str) -> None:
    assert not mentions(expression, "price")
    assert renamed(expression, "price", '"p"') == expression


def test_a_column_does_without_the_name_of_its_table() -> None:
    found = unqualified("""((T.a > "t"."b c") AND (x.t > 't.a') AND (t = t(t.d.e)))""", "t")

    assert found == """((a > "b c") AND (x.t > 't.a') AND (t = t(d.e)))"""


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ColumnShape('a "b"', "INTEGER"), '"a ""b""" INTEGER'),
        (ColumnShape("a", "DATE", nullable=False, default="1"), '"a" DATE DEFAULT (1) NOT NULL'),
        (ColumnShape("a", "VARCHAR", collation="de"), '"a" VARCHAR COLLATE de'),
        (
            ColumnShape("a", "VARCHAR", generated="b", collation="de"),
            '"a" VARCHAR GENERATED ALWAYS AS (b)',
        ),
        (TABLE.column("G"), '"g" INTEGER GENERATED ALWAYS AS ((n + 1))'),
    ],
)
def test_a_column_is_a_part_of_create_table(column: ColumnShape, expected: str) -> None:
    assert column.definition(quoted) == expected


@pytest.mark.parametrize("schema", [None, "s"])
def test_a_table_is_a_statement(schema: str | None) -> None:
    shape = TableShape("a b", schema, COLUMNS[:1], (KEY, CHECK, BOSS))
    prefix = '"s".' if schema else ""

    assert shape.definition(quoted) == (
        f'CREATE TABLE {prefix}"a b" ("id" INTEGER, PRIMARY KEY ("ID"), CHECK ((n > 0)), '
        f'FOREIGN KEY ("boss") REFERENCES {prefix}"T" ("Id"))'
    )


@pytest.mark.parametrize("unique", [True, False])
def test_an_index_is_a_statement(*, unique: bool) -> None:
    index = IndexShape('an "i"', unique, ("a", "(b + 1)"))

    statement = index.definition('"t"', quoted)

    kind = "UNIQUE INDEX" if unique else "INDEX"
    assert statement == f'CREATE {kind} "an ""i""" ON "t" (a, (b + 1))'


def test_columns_are_found_whatever_their_case() -> None:
    assert TABLE.has_column("BOSS")
    assert not TABLE.has_column("bos")
    assert TABLE.column("Boss").name == "boss"
    with pytest.raises(KeyError):
        TABLE.column("bos")


def test_what_is_stored_and_what_refers_is_told() -> None:
    assert TABLE.stored == COLUMNS
    assert TABLE.has_foreign_keys
    assert not TABLE.without_constraint(BOSS).without_constraint(OTHER).has_foreign_keys
    assert TABLE.own_keys == (BOSS,)


def test_a_column_is_added_and_changed() -> None:
    column = ColumnShape("new", "DATE")

    changed = TABLE.with_column(column).with_column_changed("NEW", type="VARCHAR")

    assert changed.columns == (*TABLE.columns, ColumnShape("new", "VARCHAR"))


@pytest.mark.parametrize(
    ("column", "constraints", "indexes"),
    [
        ("N", (KEY, BOSS), 0),
        ("boss", (KEY, CHECK, OTHER), 0),
        ("id", (UNIQUE, CHECK, OTHER), 1),
        ("g", TABLE.constraints, 1),
    ],
)
def test_a_dropped_column_takes_along_what_needs_it(
    column: str, constraints: tuple[ConstraintShape, ...], indexes: int
) -> None:
    shape = TABLE.without_column(column)

    assert not shape.has_column(column)
    assert shape.constraints == constraints
    assert len(shape.indexes) == indexes


def test_a_renamed_column_is_renamed_everywhere() -> None:
    shape = TABLE.with_column_renamed("N", "m", quoted).with_column_renamed("id", "key", quoted)

    assert [column.name for column in shape.columns] == ["key", "boss", "m", "g"]
    assert shape.column("g").generated == '("m" + 1)'
    assert shape.indexes[0].parts == ('"m"', "(lower(boss))")
    assert [each.definition(quoted) for each in shape.constraints] == [
        'PRIMARY KEY ("key")',
        'UNIQUE ("m", "boss")',
        'CHECK (("m" > 0))',
        'FOREIGN KEY ("boss") REFERENCES "t" ("key")',
        'FOREIGN KEY ("m") REFERENCES "other" ("id")',
    ]


def test_a_renamed_table_refers_to_itself_by_its_new_name() -> None:
    shape = TABLE.with_name("u")

    assert shape.name == "u"
    assert [each.refers_to for each in shape.constraints] == [None, None, None, "u", "other"]


def test_a_primary_key_makes_its_columns_required() -> None:
    shape = TableShape("t", None, COLUMNS)

    keyed = shape.with_constraint(KEY)

    assert [column.nullable for column in keyed.columns] == [False, True, True]
    assert keyed.constraints == (KEY,)
    assert shape.with_constraint(UNIQUE).columns == COLUMNS


def test_one_of_two_equal_constraints_is_dropped() -> None:
    twin = ConstraintShape("CHECK", expression="(n > 0)")

    shape = TABLE.with_constraint(twin).without_constraint(CHECK)

    assert shape.constraints == (KEY, UNIQUE, BOSS, OTHER, twin)


def test_keys_to_a_table_follow_its_new_names() -> None:
    shape = TABLE.referring_to("OTHER", "another", {"id": "key"})

    assert [each.refers_to for each in shape.constraints] == [None, None, None, "T", "another"]
    assert shape.constraints[-1].referred == ("key",)
