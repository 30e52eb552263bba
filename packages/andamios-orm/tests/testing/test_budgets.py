from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from andamios_orm.testing.budgets import BudgetExceeded, HopBudget, QueryBudget

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def ask(database: Database, times: int) -> None:
    """Send as many statements."""
    async with database.session() as session:
        for number in range(times):
            await session.execute(text(f"SELECT\n {number}"))


async def test_what_is_within_the_budget_passes(
    database: Database, query_budget: type[QueryBudget]
) -> None:
    with query_budget(2) as budget:
        await ask(database, 2)

    assert budget.spent == ["SELECT 0", "SELECT 1"]


async def test_more_statements_are_listed(
    duckdb_database: Database, query_budget: type[QueryBudget]
) -> None:
    with (
        pytest.raises(BudgetExceeded, match=r"2 statements where at most 1 may be:\n1\.") as caught,
        query_budget(1),
    ):
        await ask(duckdb_database, 2)

    assert (caught.value.most, caught.value.spent) == (1, ("SELECT 0", "SELECT 1"))


async def test_nothing_is_counted_behind_the_block(
    duckdb_database: Database, query_budget: type[QueryBudget], hop_budget: type[HopBudget]
) -> None:
    with query_budget(0) as queries, hop_budget(0) as hops:
        pass
    await ask(duckdb_database, 1)

    assert (queries.spent, hops.spent) == ([], [])


async def test_an_error_inside_is_not_covered(
    duckdb_database: Database, query_budget: type[QueryBudget]
) -> None:
    with pytest.raises(LookupError), query_budget(0):
        await ask(duckdb_database, 1)
        raise LookupError


async def test_hops_are_listed_with_what_they_were_for(
    duckdb_database: Database, hop_budget: type[HopBudget]
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id integer)"))

    with pytest.raises(BudgetExceeded) as caught, hop_budget(0):
        async with duckdb_database.transaction() as session:
            await session.execute(text("INSERT INTO things VALUES (1)"))

    assert caught.value.spent == ("INSERT INTO things VALUES (1)", "commit")
