"""What autogenerate sees, and what it does not take for a change."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy reads the annotations
import decimal  # noqa: TC003 - likewise
import enum
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import Mapped, mapped_column

from andamios_orm import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.migration import MigrationManager

pytestmark = [
    pytest.mark.integration,
    pytest.mark.db,
    # PostgreSQL before 18 stores what DuckDB only computes.
    pytest.mark.filterwarnings("ignore:Computed column .* is being created as 'STORED'"),
    pytest.mark.sampled(3),
]


class Color(enum.Enum):
    """An enumeration that is stored by value."""

    RED = "red"
    BLUE = "blue"


class Options(BaseModel):
    """A document."""

    depth: int = 1


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = sa.MetaData(
        naming_convention=models.Model.metadata.naming_convention,
        info=dict(models.Model.metadata.info),
    )


class Owner(models.IntegerKeyMixin, Base):
    """A parent."""

    __tablename__ = "owner"
    name: Mapped[str] = mapped_column(sa.String(50), unique=True)


class Thing(
    models.UUIDKeyMixin,
    models.TimestampMixin,
    models.SoftDeleteMixin,
    models.VersionMixin,
    models.AuditMixin,
    Base,
):
    """A table with a column of every type, and every kind of rule."""

    __tablename__ = "thing"
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id"), index=True)
    title: Mapped[str] = mapped_column(sa.String(20), server_default="it's", comment="the title")
    count: Mapped[int] = mapped_column(server_default=sa.text("1 + 1"))
    flag: Mapped[bool] = mapped_column(server_default=sa.true())
    color: Mapped[Color] = mapped_column(models.EnumByValue(Color), server_default="red")
    native: Mapped[str] = mapped_column(sa.Enum("x", "y", name="native"), server_default="x")
    kind: Mapped[str] = mapped_column(
        sa.Enum("p", "q", name="kind", native_enum=False, create_constraint=True)
    )
    sure: Mapped[bool | None] = mapped_column(sa.Boolean(create_constraint=True, name="sure"))
    price: Mapped[decimal.Decimal] = mapped_column(models.Money(10, 2), server_default="1.50")
    options: Mapped[Options | None] = mapped_column(models.PydanticJSON(Options))
    secret: Mapped[str | None] = mapped_column(sa.Text)
    at: Mapped[dt.datetime | None] = mapped_column(models.UTCDateTime, server_default=sa.func.now())
    vector: Mapped[list[float] | None] = mapped_column(models.Vector(3))
    tags: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.String))
    document: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    twice: Mapped[int | None] = mapped_column(sa.Computed("count * 2"))
    ratio: Mapped[float | None]
    day: Mapped[dt.date | None]
    clock: Mapped[dt.time | None]
    content: Mapped[bytes | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    number: Mapped[int] = mapped_column(server_default=sa.Sequence("ticket").next_value())
    __table_args__ = (
        sa.CheckConstraint("count > 0 AND count IN (1, 2, 3)", name="few"),
        sa.UniqueConstraint("title", "count"),
        sa.Index("ix_thing_lower_title", sa.text("lower(title)")),
        {"comment": "things"},
    )


sa.Sequence("ticket", metadata=Base.metadata, start=100)


async def create_all(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


@pytest.mark.slow
async def test_nothing_differs_after_create_all(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    await create_all(database)

    differences = await manage(Base).check()

    assert differences == ()


@pytest.mark.slow
async def test_nothing_differs_after_the_first_revision(
    manage: Callable[..., MigrationManager],
) -> None:
    manager = manage(Base)
    await manager.revision("all of it")

    await manager.upgrade()

    assert await manager.check() == ()
    assert await manager.revision("nothing") is None


@pytest.mark.slow
async def test_the_first_revision_goes_down_to_nothing_and_up_again(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    manager = manage(Base)
    await manager.revision("all of it")
    await manager.upgrade()

    await manager.downgrade("base")

    async with database.engine.connect() as connection:
        left = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    assert left == ["alembic_version"]
    await manager.upgrade()
    assert await manager.check() == ()


def one_column(column: sa.Column[Any], *rules: sa.Constraint) -> sa.MetaData:
    metadata = sa.MetaData(naming_convention=models.Model.metadata.naming_convention)
    sa.Table("one", metadata, sa.Column("id", sa.Integer, primary_key=True), column, *rules)
    return metadata


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (sa.String(20), sa.String()),
        (sa.String(), sa.String(20)),
        (sa.String(20), models.EnumByValue(Color)),
        (sa.String(20), sa.String(20)),
        (sa.Text(), sa.Text()),
    ],
    ids=["loses it", "gets one", "of an enum", "the same", "has none"],
)
async def test_the_length_of_a_text_is_compared(
    database: Database, manage: Callable[..., MigrationManager], there: Any, wanted: Any
) -> None:
    before, after = (one_column(sa.Column("name", kind)) for kind in (there, wanted))
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)
    manager = manage(after)

    differences = await manager.check()

    differs = there is not wanted and str(there) != str(wanted)
    on_postgresql = database.engine.dialect.name == "postgresql"  # DuckDB keeps no lengths
    expected = ["change_type"] if differs and on_postgresql else []
    assert [each.kind for each in differences] == expected


@pytest.mark.slow
@pytest.mark.sampled(1)
async def test_a_check_of_a_column_with_another_type_is_as_if_it_were_new(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    before, after = (
        one_column(sa.Column("size", kind), sa.CheckConstraint("size >= 0", name="positive"))
        for kind in (sa.BigInteger(), sa.Numeric(10, 2))
    )
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)
    manager = manage(after)
    await manager.revision("numeric")

    await manager.upgrade()
    assert await manager.check() == ()
    await manager.downgrade()
    assert await manage(before).check() == ()


@pytest.mark.slow
async def test_defaults_are_what_duckdb_keeps_of_them(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    before, after = (
        one_column(sa.Column("size", sa.Integer, server_default=default))
        for default in ("5", sa.text("5"))
    )
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)

    differences = await manage(after).check()

    expected = ["change_default"] if database.engine.dialect.name == "duckdb" else []
    assert [each.kind for each in differences] == expected


@pytest.mark.slow
async def test_tables_of_others_are_left_to_them(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    await create_all(database)
    own = sa.MetaData()
    sa.Table("own", own, sa.Column("id", sa.Integer, primary_key=True))

    alone = await manage(own).check()
    beside = await manage(own, others="leave").check()

    assert {each.place for each in alone} >= {"own", "owner", "thing"}
    assert [(each.kind, each.place) for each in beside] == [("add_table", "own")]
