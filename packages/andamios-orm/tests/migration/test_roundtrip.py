"""Whatever the models become: a revision brings the database there, and back again."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andamios_orm import Database, models
from andamios_orm import run as run_in_loop
from andamios_orm.dialect import rebuilding
from andamios_orm.migration import MigrationManager
from andamios_orm.migration.written import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.timeout(900)]


class Color(enum.Enum):
    """An enumeration that is stored by value."""

    RED = "red"
    BLUE = "blue"


FAMILIES: Final[dict[str, list[Any]]] = {
    "number": [
        sa.SmallInteger(),
        sa.Integer(),
        sa.BigInteger(),
        sa.Numeric(10, 2),
        sa.Numeric(12, 4),
        sa.Double(),
        sa.Float(),
        models.Money(10, 2),
    ],
    "text": [sa.String(20), sa.String(40), sa.Text(), models.EnumByValue(Color)],
    "moment": [sa.DateTime(), sa.DateTime(timezone=True), models.UTCDateTime()],
    "day": [sa.Date()],
    "flag": [sa.Boolean()],
    "uuid": [sa.Uuid()],
    "document": [sa.JSON()],
    "content": [sa.LargeBinary()],
    "list": [sa.ARRAY(sa.Integer)],
}
"""Types; a column becomes another one of its family, for that needs no USING."""

DEFAULTS: Final[dict[str, list[Any]]] = {
    "number": ["5", sa.text("5"), sa.text("1 + 1"), sa.text("abs(-7)")],
    "text": ["it's", "5", "", sa.text("lower('ABC')"), sa.text("'a' || 'b'")],
    "moment": [sa.func.now(), sa.text("CURRENT_TIMESTAMP"), "2024-01-02 03:04:05"],
    "day": [sa.text("CURRENT_DATE"), "2024-01-02"],
    "flag": [sa.true(), sa.false(), sa.text("1 = 1")],
    "uuid": [sa.text("gen_random_uuid()"), "12345678-1234-5678-1234-567812345678"],
    "document": ["{}", '{"a": [1]}'],
}
MOMENTS: Final = [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in (1, 2)]
VALUES: Final[dict[str, list[Any]]] = {
    "number": [1, 2],
    "text": ["red", "blue"],
    "moment": MOMENTS,
    "day": [each.date() for each in MOMENTS],
    "flag": [True, False],
    "uuid": [uuid.UUID(int=1), uuid.UUID(int=2)],
    "document": [{"a": 1}, {"a": 2}],
    "content": [b"a", b"b"],
    "list": [[1], [2]],
}
"""What the two rows of a table have."""
INDEXED: Final = ("number", "text", "moment", "day", "uuid")
TABLES: Final = ("thing", "order", "Select", "with space")
COLUMNS: Final = ("a", "b", "group", "Camel", "two words", "über")
COMMENTS: Final = (None, "it's", "a: b", "100%")


@dataclass(frozen=True)
class ColumnSketch:
    """What is said of a column."""

    family: str
    type: int = 0
    nullable: bool = True
    default: int | None = None
    comment: str | None = None

    def column(self, name: str) -> sa.Column[Any]:
        """Return it as the models have it."""
        default = None if self.default is None else DEFAULTS[self.family][self.default]
        return sa.Column(
            name,
            FAMILIES[self.family][self.type],
            nullable=self.nullable,
            server_default=default,
            comment=self.comment,
        )


@dataclass(frozen=True)
class TableSketch:
    """What is said of a table; rules name columns, and hold where these are there."""

    columns: dict[str, ColumnSketch]
    comment: str | None = None
    uniques: frozenset[tuple[str, ...]] = frozenset()
    checks: dict[str, int] = field(default_factory=dict)
    indexes: dict[int, tuple[str, str | None, bool]] = field(default_factory=dict)
    parent: str | None = None


Sketch = dict[str, TableSketch]


def of_family(table: TableSketch, families: Sequence[str]) -> list[str]:
    return [name for name, each in table.columns.items() if each.family in families]


def metadata_of(sketch: Sketch) -> sa.MetaData:
    """Return the models that a sketch says."""
    metadata = sa.MetaData(naming_convention=models.Model.metadata.naming_convention)
    for name, each in sketch.items():
        table = sa.Table(
            name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            *(column.column(key) for key, column in each.columns.items()),
            comment=each.comment,
        )
        for rule in rules(each, table):
            table.append_constraint(rule)
        for number, (first, second, unique) in each.indexes.items():
            parts: list[Any] = [table.c[first]]
            if second is not None:
                parts = [table.c[first], table.c[second]]
            elif each.columns[first].family == "text":
                parts = [sa.func.lower(table.c[first])]
            sa.Index(f"ix_{name}_{number}", *parts, unique=unique)
        if each.parent in sketch:
            table.append_column(sa.Column("parent_id", sa.Integer))
            table.append_constraint(sa.ForeignKeyConstraint(["parent_id"], [f"{each.parent}.id"]))
    return metadata


def rules(sketch: TableSketch, table: sa.Table) -> Iterator[sa.Constraint]:
    for columns in sorted(sketch.uniques):
        yield sa.UniqueConstraint(*columns)
    for number, (name, bound) in enumerate(sketch.checks.items()):
        column = table.c[name]
        is_text = sketch.columns[name].family == "text"
        condition = sa.func.length(column) < bound * 10 if is_text else column.between(0, bound)
        yield sa.CheckConstraint(condition, name=f"rule_{number}")


# ---- sketches --------------------------------------------------------------------------------


@st.composite
def columns(draw: st.DrawFn, family: str | None = None) -> ColumnSketch:
    family = family or draw(st.sampled_from(list(FAMILIES)))
    defaults = range(len(DEFAULTS.get(family, ())))
    return ColumnSketch(
        family,
        draw(st.sampled_from(range(len(FAMILIES[family])))),
        draw(st.booleans()),
        draw(st.none() | st.sampled_from(defaults)) if defaults else None,
        draw(st.sampled_from(COMMENTS)),
    )


@st.composite
def ruled(draw: st.DrawFn, table: TableSketch, names: Sequence[str]) -> TableSketch:
    """Return the table with other rules, or the ones that it has as far as that can be."""
    keyed = of_family(table, INDEXED)
    checked = of_family(table, ("number", "text"))
    uniques = set(table.uniques)
    indexes, checks = dict(table.indexes), dict(table.checks)
    if keyed:
        pairs = st.tuples(st.sampled_from(keyed), st.none() | st.sampled_from(keyed))
        for first, second in draw(st.lists(pairs, max_size=2)):
            uniques ^= {(first, second) if second and second != first else (first,)}
        for number in draw(st.sets(st.sampled_from(range(3)))):
            first, second = draw(pairs)
            indexes[number] = (first, None if second == first else second, draw(st.booleans()))
    for number in draw(st.sets(st.sampled_from(range(3)))):
        if number in table.indexes:
            indexes.pop(number, None)
    if checked:
        checks.update(
            draw(st.dictionaries(st.sampled_from(checked), st.integers(50, 60), max_size=2))
        )
    parent = draw(st.sampled_from([table.parent, None, *names]))
    there = table.columns
    return replace(
        table,
        comment=draw(st.sampled_from([table.comment, *COMMENTS])),
        uniques=frozenset(each for each in uniques if all(name in there for name in each)),
        checks={name: bound for name, bound in checks.items() if name in there},
        indexes={
            number: each
            for number, each in indexes.items()
            if each[0] in there and (each[1] is None or each[1] in there)
        },
        parent=parent,
    )


@st.composite
def tables(draw: st.DrawFn, names: Sequence[str]) -> TableSketch:
    found = draw(st.dictionaries(st.sampled_from(COLUMNS), columns(), min_size=1, max_size=4))
    return draw(ruled(TableSketch(found), names))


@st.composite
def edited(draw: st.DrawFn, table: TableSketch, names: Sequence[str]) -> TableSketch:
    """Return a table in which columns and rules are other ones, added or gone."""
    kept = {}
    for name, each in table.columns.items():
        edit = draw(st.sampled_from(["keep", "keep", "change", "change", "drop"]))
        if edit != "drop":
            kept[name] = each if edit == "keep" else draw(columns(each.family))
    for name in draw(st.sets(st.sampled_from(COLUMNS), max_size=2)):
        if name not in table.columns:
            kept[name] = draw(columns())
    return draw(ruled(replace(table, columns=kept), names))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Sketch, Sketch]:
    """Return what the models are, and what they become."""
    before: Sketch = {}
    after: Sketch = {}
    for number, name in enumerate(draw(st.permutations(TABLES))[: draw(st.integers(1, 4))]):
        earlier = list(before)[:number]
        fate = draw(st.sampled_from(["edit", "edit", "edit", "edit", "add", "drop"]))
        if fate == "add":
            after[name] = draw(tables(list(after)))
            continue
        before[name] = draw(tables(earlier))
        if fate == "edit":
            after[name] = draw(edited(before[name], list(after)))
    return before, after


def rows_of(before: Sketch, after: Sketch) -> dict[str, list[dict[str, Any]]]:
    """Return rows for the tables in which every change can be made, and undone, with rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, each in before.items():
        other = after.get(name, each)
        parents = [
            side.parent for side, all_ in ((each, before), (other, after)) if side.parent in all_
        ]
        if not takes_rows(each, other) or any(parent not in found for parent in parents):
            continue
        found[name] = [
            {
                "id": number + 1,
                **{key: value_of(column, number) for key, column in each.columns.items()},
                **({"parent_id": number + 1} if each.parent in before else {}),
            }
            for number in range(2)
        ]
    return found


def takes_rows(one: TableSketch, other: TableSketch) -> bool:
    for here, there in ((one, other), (other, one)):
        for name in here.columns.keys() - there.columns.keys():
            column = here.columns[name]
            is_unique = any(name in each for each in here.uniques) or any(
                unique and name in (first, second)
                for first, second, unique in here.indexes.values()
            )
            if is_unique or (not column.nullable and column.default is None):
                return False
    return True


def value_of(column: ColumnSketch, number: int) -> Any:
    value = VALUES[column.family][number]
    is_naive = column.family == "moment" and column.type == 0
    return value.replace(tzinfo=None) if is_naive else value


# ---- the property ----------------------------------------------------------------------------


def facts(connection: Connection, metadata: sa.MetaData) -> dict[str, Any]:
    """Return what a database says of the tables; the order of columns does not matter."""
    inspector = sa.inspect(connection)
    found: dict[str, Any] = {}
    for name in metadata.tables:
        if connection.dialect.name == "duckdb":
            shape = rebuilding.read(connection, name)
            assert shape is not None
            parts = (shape.columns, shape.constraints, shape.indexes)
            found[name] = (*(sorted(map(repr, each)) for each in parts), shape.comment)
        else:
            found[name] = (
                {
                    each["name"]: repr({**each, "default": plain(each["default"] or "")})
                    for each in inspector.get_columns(name)
                },
                sorted(map(repr, inspector.get_unique_constraints(name))),
                sorted(plain(each["sqltext"]) for each in inspector.get_check_constraints(name)),
                sorted(map(repr, inspector.get_indexes(name))),
                sorted(map(repr, inspector.get_foreign_keys(name))),
                inspector.get_table_comment(name),
            )
    return found


async def empty(database: Database) -> None:
    if database.engine.dialect.name == "postgresql":
        async with database.engine.begin() as connection:
            await connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            await connection.execute(sa.text("CREATE SCHEMA public"))


async def counts(connection: Any, rows: dict[str, Any], metadata: sa.MetaData) -> dict[str, int]:
    return {
        name: await connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables[name]))
        for name in rows
        if name in metadata.tables
    }


async def goes_there_and_back(
    urls: Callable[[], str], folder: Path, sketches: tuple[Sketch, Sketch]
) -> None:
    before, after = (metadata_of(each) for each in sketches)
    rows = rows_of(*sketches)
    async with Database(urls()) as database:
        await empty(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(after.create_all)
            wanted = await connection.run_sync(facts, after)
    async with Database(urls()) as database:
        await empty(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(before.create_all)
            for name, each in rows.items():
                await connection.execute(before.tables[name].insert(), each)
        manager = MigrationManager(database, after, folder, backup="never")
        manager.init()
        revision = await manager.revision("there")
        await manager.upgrade()

        assert await manager.check() == ()
        async with database.engine.connect() as connection:
            assert await connection.run_sync(facts, after) == wanted
            kept = await counts(connection, rows, after)
        assert kept == {name: 2 for name in rows if name in sketches[1]}

        if revision is None:
            return
        await manager.downgrade()
        former = MigrationManager(database, before, folder)
        assert await former.check() == ()
        async with database.engine.connect() as connection:
            kept = await counts(connection, rows, before)
        assert kept == {name: 2 if name in sketches[1] else 0 for name in rows}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_revision_brings_the_database_there_and_back(
    url: str, tmp_path: Path, rounds: Callable[[int, int, int], int]
) -> None:
    numbers = count()

    def urls() -> str:
        if url.startswith("duckdb"):
            return f"duckdb:///{tmp_path}/{next(numbers)}.duckdb"
        return url

    @settings(
        max_examples=rounds(5, 20, 200),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs())
    def there_and_back(sketches: tuple[Sketch, Sketch]) -> None:
        folder = tmp_path / f"migrations_{next(numbers)}"
        run_in_loop(goes_there_and_back(urls, folder, sketches))

    there_and_back()
