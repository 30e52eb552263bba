"""Every kind of difference between models and database is found, and said in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import sqlalchemy as sa

from andamios_orm.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(10)]

METADATA: Final = sa.MetaData()
sa.Table(
    "thing",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(20), nullable=False, comment="cover"),
    sa.Column("price", sa.Numeric(10, 2)),
    sa.Column("amount", sa.Integer, server_default=sa.text("5")),
    sa.Column("note", sa.Text, server_default="it's"),
    sa.Column("moment", sa.DateTime),
    comment="things",
)
sa.Table(
    "indexed",
    METADATA,
    sa.Column("a", sa.Integer),
    sa.Column("b", sa.String),
    sa.Index("ix_a", "a"),
    sa.Index("ux_b", "b", unique=True),
    sa.Index("ix_lower", sa.text("lower(b)")),
)
sa.Table(
    "ruled",
    METADATA,
    sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer),
    sa.UniqueConstraint("a", "b", name="uq_ab"),
    sa.CheckConstraint("a > 0", name="ck_a"),
)
sa.Table("parent", METADATA, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
sa.Table(
    "child",
    METADATA,
    sa.Column("a", sa.Integer, sa.ForeignKey("parent.id", name="fk_a")),
    sa.Column("b", sa.Integer),
)
sa.Table("mood", METADATA, sa.Column("a", sa.Enum("x", "y", name="kind")))
sa.Sequence("ticket", metadata=METADATA)


class Drift(NamedTuple):
    """What is done to the database, and the differences by the system they are found on."""

    plant: str
    duckdb: list[str]
    postgresql: list[str]


def same(plant: str, *found: str) -> Drift:
    """Return a drift that both systems tell in the same words."""
    return Drift(plant, list(found), list(found))


def ruled(rules: str) -> str:
    return f"DROP TABLE ruled; CREATE TABLE ruled (a INTEGER, b INTEGER{rules})"


UNIQUE: Final = ", CONSTRAINT uq_ab UNIQUE (a, b)"
CHECK: Final = ", CONSTRAINT ck_a CHECK (a > 0)"


def child(keys: str) -> str:
    return f"DROP TABLE child; CREATE TABLE child (a INTEGER, b INTEGER{keys})"


DRIFTS: Final = {
    "missing table": same("DROP TABLE thing", "add_table: the database has no table thing"),
    "missing table with indexes": same(
        "DROP TABLE indexed", "add_table: the database has no table indexed"
    ),
    "extra table": same(
        "CREATE TABLE more (a INTEGER)", "remove_table: the models have no table more"
    ),
    "extra table with an index": same(
        "CREATE TABLE more (a INTEGER); CREATE INDEX ix ON more (a)",
        "remove_table: the models have no table more",
    ),
    "missing column": same(
        "ALTER TABLE thing DROP COLUMN price", "add_column: the database has no column thing.price"
    ),
    "extra column": same(
        "ALTER TABLE thing ADD COLUMN more INTEGER",
        "remove_column: the models have no column thing.more",
    ),
    "other type": Drift(
        "ALTER TABLE thing ALTER COLUMN price TYPE DOUBLE PRECISION",
        duckdb=[
            "change_type: thing.price: the database has DOUBLE, the models want NUMERIC(10, 2)"
        ],
        postgresql=[
            (
                "change_type: thing.price: the database has DOUBLE PRECISION, "
                "the models want NUMERIC(10, 2)"
            )
        ],
    ),
    "other precision": same(
        "ALTER TABLE thing ALTER COLUMN price TYPE NUMERIC(12, 2)",
        "change_type: thing.price: the database has NUMERIC(12, 2), the models want NUMERIC(10, 2)",
    ),
    # DuckDB keeps no length of a text: there, one is as good as another.
    "other length": Drift(
        "ALTER TABLE thing ALTER COLUMN title TYPE VARCHAR(30)",
        duckdb=[],
        postgresql=[
            "change_type: thing.title: the database has VARCHAR(30), the models want VARCHAR(20)"
        ],
    ),
    "with a time zone": same(
        "ALTER TABLE thing ALTER COLUMN moment TYPE TIMESTAMP WITH TIME ZONE",
        "change_type: thing.moment: the database has TIMESTAMP WITH TIME ZONE, "
        "the models want TIMESTAMP WITHOUT TIME ZONE",
    ),
    "nullable": same(
        "ALTER TABLE thing ALTER COLUMN title DROP NOT NULL",
        "change_nullability: thing.title: the database allows NULL, the models allow no NULL",
    ),
    "not nullable": same(
        "ALTER TABLE thing ALTER COLUMN price SET NOT NULL",
        "change_nullability: thing.price: the database allows no NULL, the models allow NULL",
    ),
    "missing default": same(
        "ALTER TABLE thing ALTER COLUMN amount DROP DEFAULT",
        "change_default: thing.amount: the database has no default, the models want the default 5",
    ),
    "extra default": same(
        "ALTER TABLE thing ALTER COLUMN price SET DEFAULT 1.5",
        "change_default: thing.price: the database has the default 1.5, the models want no default",
    ),
    "other default": same(
        "ALTER TABLE thing ALTER COLUMN amount SET DEFAULT 2 + 3",
        "change_default: thing.amount: the database has the default (2 + 3), "
        "the models want the default 5",
    ),
    "other text as default": Drift(
        "ALTER TABLE thing ALTER COLUMN note SET DEFAULT 'its'",
        duckdb=[
            (
                "change_default: thing.note: the database has the default 'its', "
                "the models want the default 'it''s'"
            )
        ],
        postgresql=[
            (
                "change_default: thing.note: the database has the default 'its'::text, "
                "the models want the default 'it''s'"
            )
        ],
    ),
    "two differences of a column": same(
        "ALTER TABLE thing ALTER COLUMN note SET NOT NULL;"
        "ALTER TABLE thing ALTER COLUMN note DROP DEFAULT",
        "change_nullability: thing.note: the database allows no NULL, the models allow NULL",
        "change_default: thing.note: the database has no default, "
        "the models want the default 'it''s'",
    ),
    "missing index": same(
        "DROP INDEX ix_a", "add_index: indexed: the database has no index ix_a on (a)"
    ),
    "extra index": same(
        "CREATE INDEX ix_b ON indexed (b)",
        "remove_index: indexed: the models have no index ix_b on (b)",
    ),
    "extra unique index": same(
        "CREATE UNIQUE INDEX ix_b ON indexed (b, a)",
        "remove_index: indexed: the models have no unique index ix_b on (b, a)",
    ),
    "index of other columns": same(
        "DROP INDEX ix_a; CREATE INDEX ix_a ON indexed (a, b)",
        "remove_index: indexed: the models have no index ix_a on (a, b)",
        "add_index: indexed: the database has no index ix_a on (a)",
    ),
    "index that is no longer unique": same(
        "DROP INDEX ux_b; CREATE INDEX ux_b ON indexed (b)",
        "remove_index: indexed: the models have no index ux_b on (b)",
        "add_index: indexed: the database has no unique index ux_b on (b)",
    ),
    "index that is unique": same(
        "DROP INDEX ix_a; CREATE UNIQUE INDEX ix_a ON indexed (a)",
        "remove_index: indexed: the models have no unique index ix_a on (a)",
        "add_index: indexed: the database has no index ix_a on (a)",
    ),
    "index of another expression": Drift(
        "DROP INDEX ix_lower; CREATE INDEX ix_lower ON indexed (upper(b))",
        duckdb=[
            "remove_index: indexed: the models have no index ix_lower on ((upper(b)))",
            "add_index: indexed: the database has no index ix_lower on (lower(b))",
        ],
        postgresql=[
            "remove_index: indexed: the models have no index ix_lower on (upper(b::text))",
            "add_index: indexed: the database has no index ix_lower on (lower(b))",
        ],
    ),
    "missing unique": same(
        ruled(CHECK), "add_unique: ruled: the database has no unique constraint uq_ab on (a, b)"
    ),
    "extra unique": Drift(
        ruled(CHECK + UNIQUE + ", CONSTRAINT uq_b UNIQUE (b)"),
        duckdb=["remove_unique: ruled: the models have no unique constraint ruled_b_key on (b)"],
        postgresql=["remove_unique: ruled: the models have no unique constraint uq_b on (b)"],
    ),
    "other unique": Drift(
        ruled(CHECK + ", CONSTRAINT uq_ab UNIQUE (b)"),
        duckdb=[
            "remove_unique: ruled: the models have no unique constraint ruled_b_key on (b)",
            "add_unique: ruled: the database has no unique constraint uq_ab on (a, b)",
        ],
        postgresql=[
            "remove_unique: ruled: the models have no unique constraint uq_ab on (b)",
            "add_unique: ruled: the database has no unique constraint uq_ab on (a, b)",
        ],
    ),
    "missing check": same(ruled(UNIQUE), "add_check: ruled: the database has no check ck_a: a > 0"),
    "extra check": Drift(
        ruled(CHECK + UNIQUE + ", CONSTRAINT ck_b CHECK (b > 0)"),
        duckdb=["remove_check: ruled: the models have no check ruled_b_check: (b > 0)"],
        postgresql=["remove_check: ruled: the models have no check ck_b: b > 0"],
    ),
    "other check": Drift(
        ruled(", CONSTRAINT ck_a CHECK (a > 1)" + UNIQUE),
        duckdb=[
            "remove_check: ruled: the models have no check ruled_a_check: (a > 1)",
            "add_check: ruled: the database has no check ck_a: a > 0",
        ],
        postgresql=[
            "remove_check: ruled: the models have no check ck_a: a > 1",
            "add_check: ruled: the database has no check ck_a: a > 0",
        ],
    ),
    "missing foreign key": same(
        child(""),
        "add_foreign_key: child: the database has no foreign key fk_a on (a) to parent (id)",
    ),
    "extra foreign key": Drift(
        child(
            ", CONSTRAINT fk_a FOREIGN KEY (a) REFERENCES parent (id)"
            ", CONSTRAINT fk_b FOREIGN KEY (b) REFERENCES parent (id)"
        ),
        duckdb=[
            (
                "remove_foreign_key: child: the models have no foreign key "
                "child_b_id_fkey on (b) to parent (id)"
            ),
        ],
        postgresql=[
            "remove_foreign_key: child: the models have no foreign key fk_b on (b) to parent (id)"
        ],
    ),
    "other foreign key": Drift(
        child(", CONSTRAINT fk_a FOREIGN KEY (b) REFERENCES parent (id)"),
        duckdb=[
            (
                "remove_foreign_key: child: the models have no foreign key "
                "child_b_id_fkey on (b) to parent (id)"
            ),
            "add_foreign_key: child: the database has no foreign key fk_a on (a) to parent (id)",
        ],
        postgresql=[
            "remove_foreign_key: child: the models have no foreign key fk_a on (b) to parent (id)",
            "add_foreign_key: child: the database has no foreign key fk_a on (a) to parent (id)",
        ],
    ),
    "missing sequence": same(
        "DROP SEQUENCE ticket", "add_sequence: the database has no sequence ticket"
    ),
    "extra sequence": same(
        "CREATE SEQUENCE more", "remove_sequence: the models have no sequence more"
    ),
    "missing enum": same(
        "DROP TABLE mood; DROP TYPE kind",
        "add_enum: the database has no type kind",
        "add_table: the database has no table mood",
    ),
    "extra enum": same(
        "CREATE TYPE more AS ENUM ('a')", "remove_enum: the models have no type more"
    ),
    "enum with other values": same(
        "DROP TABLE mood; DROP TYPE kind; CREATE TYPE kind AS ENUM ('x', 'z');"
        "CREATE TABLE mood (a kind)",
        "change_enum: kind: the database has the values 'x', 'z', "
        "the models want the values 'x', 'y'",
    ),
    "missing comment of a table": same(
        "COMMENT ON TABLE thing IS NULL",
        "change_comment: thing: the database has no comment, the models want the comment 'things'",
    ),
    "extra comment of a table": same(
        "COMMENT ON TABLE ruled IS 'rules'",
        "change_comment: ruled: the database has the comment 'rules', the models want no comment",
    ),
    "other comment of a table": same(
        "COMMENT ON TABLE thing IS 'it''s'",
        'change_comment: thing: the database has the comment "it\'s", '
        "the models want the comment 'things'",
    ),
    "missing comment of a column": same(
        "COMMENT ON COLUMN thing.title IS NULL",
        "change_comment: thing.title: the database has no comment, "
        "the models want the comment 'cover'",
    ),
    "extra comment of a column": same(
        "COMMENT ON COLUMN thing.price IS 'net'",
        "change_comment: thing.price: the database has the comment 'net', "
        "the models want no comment",
    ),
    "other comment of a column": same(
        "COMMENT ON COLUMN thing.title IS 'spine'",
        "change_comment: thing.title: the database has the comment 'spine', "
        "the models want the comment 'cover'",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
async def test_a_difference_is_found_and_told_in_words(
    database: Database, manage: Callable[..., MigrationManager], drift: Drift
) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    for statement in drift.plant.split(";"):  # DuckDB makes no index anew in one transaction
        async with database.engine.begin() as connection:
            await connection.execute(sa.text(statement))

    differences = await manage(METADATA).check()

    found = [f"{each.kind}: {each}" for each in differences]
    assert found == getattr(drift, database.engine.dialect.name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "place"),
    [
        ("DROP TABLE mood", "mood"),
        ("ALTER TABLE thing DROP COLUMN price", "thing.price"),
        ("ALTER TABLE thing ADD COLUMN more INTEGER", "thing.more"),
        ("COMMENT ON TABLE thing IS NULL", "thing"),
        ("COMMENT ON COLUMN thing.title IS NULL", "thing.title"),
        ("DROP INDEX ix_a", "indexed.ix_a"),
        (ruled(UNIQUE), "ruled.ck_a"),
        ("DROP SEQUENCE ticket", "ticket"),
        ("CREATE TYPE more AS ENUM ('a')", "more"),
    ],
)
async def test_a_difference_has_a_place(
    duckdb_database: Database, tmp_path: Path, plant: str, place: str
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with duckdb_database.engine.begin() as connection:
        for statement in plant.split(";"):
            await connection.execute(sa.text(statement))

    (difference,) = await MigrationManager(duckdb_database, METADATA, tmp_path).check()

    assert difference.place == place
