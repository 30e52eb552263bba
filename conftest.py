"""What holds for every test of the repository."""

import asyncio
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NoReturn
from zlib import crc32

import pytest

pytest_plugins = ["pytester"]

KINDS = frozenset({"unit", "integration", "concurrency", "performance", "e2e"})
SIZES = ("fast", "ci", "soak")
# What every test that opens a database goes through, whatever lies on top of it.
DOORS = ("duckdb.connect", "psycopg.Connection.connect", "psycopg.AsyncConnection.connect")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """Say which cases are slow before they are chosen; refuse a test that is of no kind."""
    _sample(items)
    result = yield
    _require_kinds(items)
    return result


def pytest_configure() -> None:
    """Let collections of garbage wait until the tests are there: nearly all of it stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let collections of garbage skip what is there now: it stays to the end, and is a lot."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let the interpreter end at once, without a collection of what thousands of tests left."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Save what was measured of coverage while there is time: xdist gives a worker 10 s to end."""
    coverage = sys.modules.get("coverage")
    measuring = None if coverage is None else coverage.Coverage.current()
    if measuring is not None:
        measuring.save()


def _sample(items: list[pytest.Item]) -> None:
    """Leave to the slow tier what a test marked ``sampled(n)`` has beyond each n-th case.

    Which of them it is differs from test to test: of two systems, one has it on the one,
    the next on the other.
    """
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for name, cases in tests.items():
        first = crc32(name.encode())
        if len(cases) == 1:
            continue
        # Not in the order of collection, which may be a random one.
        for number, item in enumerate(sorted(cases, key=_nodeid), first):
            mark = item.get_closest_marker("sampled")
            if mark is not None and number % mark.args[0]:
                item.add_marker(pytest.mark.slow)


def _nodeid(item: pytest.Item) -> str:
    return item.nodeid


def _require_kinds(items: list[pytest.Item]) -> None:
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
