"""The inspection misses nothing that a mutant opens, and what it says closes it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.isolation.mutants import mutants

from axai_pg.isolation import Hole, inspect_isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.usefixtures("logins_alone")]


@pytest.fixture
def changed(attacked: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection whose changes are taken back."""
    with attacked.transaction(force_rollback=True):
        yield attacked


def close(connection: psycopg.Connection[Any], holes: tuple[Hole, ...]) -> None:
    for hole in holes:
        connection.execute(hole.statement.encode())


def test_our_schema_has_no_hole(changed: psycopg.Connection[Any]) -> None:
    assert inspect_isolation(changed) == ()


def test_the_inspection_leaves_nothing(changed: psycopg.Connection[Any]) -> None:
    changed.execute("SET LOCAL search_path = public")

    inspect_isolation(changed)

    assert changed.execute("SHOW search_path").fetchone() == ("public",)


def test_a_connection_may_shape_its_rows(attacked_url: str) -> None:
    with psycopg.connect(attacked_url, row_factory=dict_row) as connection:
        assert inspect_isolation(connection) == ()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_a_mutant_opens_is_listed_and_closed(
    changed: psycopg.Connection[Any], more: int, rounds: Callable[[int, int, int], int]
) -> None:
    holes = [mutant for mutant in mutants(changed) if mutant.hole]
    seed = random.randrange(2**32)
    chosen = random.Random(seed).sample(holes, rounds(3, 60, len(holes)) if more else 3)
    print(f"seed {seed}: {len(chosen)} of {len(holes)} holes")  # noqa: T201 - to choose them again

    missed = []
    for mutant in chosen:
        with changed.transaction(force_rollback=True):
            changed.execute(mutant.statement.encode())
            found = inspect_isolation(changed)
            if not found:
                missed.append(f"not listed: {mutant.statement}")
            close(changed, found)
            left = inspect_isolation(changed)
            if left:
                missed.append(f"not closed: {mutant.statement}: {left}")
    assert not missed
