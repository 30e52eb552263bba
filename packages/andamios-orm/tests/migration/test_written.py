"""How the database writes what the models say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from andamios_orm.migration.written import MOMENTARY, plain, written

if TYPE_CHECKING:
    from andamios_orm import Database
    from andamios_orm.migration.written import Written

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]


async def read(database: Database, metadata: sa.MetaData) -> Written:
    """Return how the database writes the models, whose tables it has."""
    async with database.engine.connect() as connection:
        await connection.run_sync(metadata.create_all)
        found = await connection.run_sync(written, [metadata])
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    assert not [name for name in names if name.startswith(MOMENTARY)]
    return found


async def test_a_check_over_columns_is_read_and_leaves_the_models_as_they_are(
    database: Database,
) -> None:
    table = sa.Table("order", sa.MetaData(), sa.Column("a b", sa.Integer, server_default="1"))
    check = sa.CheckConstraint(table.c["a b"] > 0, name="few")
    before = set(table.constraints)

    found = await read(database, table.metadata)

    assert table.constraints == before
    (only,) = found.checks["order"]
    assert (only.name, only.constraint) == ("few", check)
    assert only.text.strip("()") == '"a b" > 0'
    assert found.defaults["order"]["a b"] in {"1", "'1'"}


async def test_a_nameless_check_has_no_name(database: Database) -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("a", sa.Integer), sa.CheckConstraint("a > 0"))

    found = await read(database, metadata)

    assert [each.name for each in found.checks["t"]] == [None]


async def test_a_table_without_defaults_and_checks_is_not_read(database: Database) -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("a", sa.Integer))

    found = await read(database, metadata)

    assert (found.defaults, found.checks) == ({}, {})


@pytest.mark.parametrize(
    ("expression", "without"),
    [
        ("((a >= (0)::numeric) AND (b = 'it''s'::text))", "((a >= 0) AND (b = 'it''s'))"),
        ("'3'::bigint", "3"),
        ("(3)::numeric(10,2)", "3"),
        ("'-1.50'::numeric", "-1.50"),
        ("'red'::character varying(20)", "'red'"),
        ("(b)::text", "(b)::text"),
        ("now()", "now()"),
    ],
)
def test_casts_of_literals_are_left_out(expression: str, without: str) -> None:
    assert plain(expression) == without
