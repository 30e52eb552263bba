"""What holds for every test of the repository."""

import asyncio
import importlib
import importlib.util
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

pytest_plugins = ["pytester"]

KINDS = frozenset({"unit", "integration", "concurrency", "performance", "e2e"})
SIZES = ("fast", "ci", "soak")
# What every test that opens a database goes through, whatever lies on top of it.
DOORS = ("duckdb.connect", "psycopg.Connection.connect", "psycopg.AsyncConnection.connect")


_COUNTS: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave to the slow tier what a test marked ``sampled(n)`` has beyond each n-th case."""
    mark = item.get_closest_marker("sampled")
    if mark is not None:
        counts = item.session.stash.setdefault(_COUNTS, Counter())
        test = item.nodeid.partition("[")[0]
        if counts[test] % mark.args[0]:
            item.add_marker(pytest.mark.slow)
        counts[test] += 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that does not say of which kind it is."""
    unclear = [
        f"{item.nodeid}: carry exactly one marker of {', '.join(sorted(KINDS))}"
        for item in items
        if len(KINDS.intersection(mark.name for mark in item.iter_markers())) != 1
    ]
    if unclear:
        raise pytest.UsageError("\n".join(unclear))


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loop that ANDAMIOS_TEST_LOOP names: uvloop where there is one, else asyncio."""
    wanted = os.environ.get("ANDAMIOS_TEST_LOOP", "uvloop")
    if wanted == "uvloop" and importlib.util.find_spec("uvloop") is not None:
        return {"uvloop": importlib.import_module("uvloop").new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _only_marked_tests_open_a_database(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request.node.get_closest_marker("db") is None:
        for door in DOORS:
            monkeypatch.setattr(door, _refuse)


def _refuse(*_arguments: object, **_options: object) -> NoReturn:
    pytest.fail("this test opens a database: carry the marker db")


@pytest.fixture(scope="session")
def rounds() -> Callable[[int, int, int], int]:
    """Return the function that picks how often to repeat: fast, at CI size, or soaking.

    ``rounds(2, 20, 200)`` is 20 when ANDAMIOS_TEST_SIZE is ``ci``.
    """
    size = os.environ.get("ANDAMIOS_TEST_SIZE", "fast")
    if size not in SIZES:
        message = f"ANDAMIOS_TEST_SIZE={size}: set it to one of {', '.join(SIZES)}"
        raise pytest.UsageError(message)
    return lambda *choices: choices[SIZES.index(size)]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root folder of the repository."""
    return Path(__file__).parent
