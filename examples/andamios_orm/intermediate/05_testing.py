"""Testing: a database for each test, faults and time on demand, instances from factories.

It writes a small project with models and tests, and lets pytest run them: the fixtures come
with the package. The budget lists the statements that were too many; the fault is what
DuckDB itself says when another writer was first.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

SHOP = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm.models import IntegerKeyMixin, Row, TimestampMixin


class Base(Row, DeclarativeBase):
    pass


class Customer(IntegerKeyMixin, Base):
    __tablename__ = "customers"
    name: Mapped[str]


class Sale(IntegerKeyMixin, TimestampMixin, Base):
    __tablename__ = "sales"
    article: Mapped[str]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    customer: Mapped[Customer] = relationship()
"""

TESTS = """
import pytest
from shop import Customer, Sale
from sqlalchemy import func, select

from andamios_orm.exceptions import WriteConflict
from andamios_orm.testing.budgets import BudgetExceeded


@pytest.mark.parametrize("number", [1, 2])
async def test_each_test_begins_empty(andamios_db, number):
    async with andamios_db.transaction() as session:
        session.add(Customer(name="Ann"))
    async with andamios_db.session() as session:
        assert (await session.scalars(select(Customer.id))).all() == [1]


async def test_a_factory_makes_what_a_row_needs(andamios_session, andamios_factories):
    sales = await andamios_factories(Sale).create_batch(andamios_session, 100, article="tea")
    assert len(sales) == 100
    assert await andamios_session.scalar(select(func.count(Customer.id))) == 1


async def test_one_query_for_each_row_is_too_many(andamios_session, query_budget):
    with pytest.raises(BudgetExceeded), query_budget(1):
        for key in range(3):
            await andamios_session.get(Customer, key)


async def test_another_writer_was_first(andamios_db, andamios_faults):
    with pytest.raises(WriteConflict), andamios_faults.conflict(andamios_db):
        await andamios_db.create(Customer(name="Ann"))


async def test_time_goes_on_when_it_is_told_to(andamios_db, andamios_factories, frozen_clock):
    async with andamios_db.transaction() as session:
        first = await andamios_factories(Sale).create(session)
        frozen_clock.tick(60)
        second = await andamios_factories(Sale).create(session)
    assert (second.created_at - first.created_at).total_seconds() == 60
"""

SETTINGS = """
[pytest]
andamios_models = shop:Base
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
"""


def main(folder: Path) -> None:
    """Write the project and run its tests."""
    (folder / "shop.py").write_text(SHOP)
    (folder / "test_shop.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(SETTINGS)
    options = ["-v", "--no-header", "-p", "no:cacheprovider", f"--basetemp={folder / 'base'}"]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in finished.stdout.splitlines():
        if "::" in line or " passed" in line:
            print(line.strip("= "))
    assert finished.returncode == 0, finished.stdout + finished.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
