"""SQLAlchemy's compliance suite passes, and the published page tells what it skips and why."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import create_engine, text

from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[4]
SUITE = Path(__file__).parents[1] / "compliance" / "suite.py"


def _script() -> ModuleType:
    """Return the module of the script, which is run by path and never imported."""
    spec = importlib.util.spec_from_file_location("compliance", ROOT / "scripts" / "compliance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


compliance = _script()
LIMITS = compliance.limits()


def _show(limit: Any, execute: Any) -> Any:
    """Run the statements of ``limit`` and return what the last one gives."""
    *before, last = limit.sql
    for statement in before:
        execute(statement)
    return execute(last)


@pytest.mark.sampled(10)
@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize(
    "limit", [limit for limit in LIMITS if not limit.ours], ids=lambda limit: limit.name
)
def test_a_limit_is_shown_by_its_statement(limit: Any) -> None:
    # One thread: the order of rows that nobody ordered is the same each time.
    with duckdb.connect(config={"threads": 1}) as connection:
        if limit.error is None:
            assert tuple(_show(limit, connection.execute).fetchall()) == limit.rows
        else:
            with pytest.raises(duckdb.Error, match=limit.error):
                _show(limit, connection.execute)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize(
    "limit", [limit for limit in LIMITS if limit.ours], ids=lambda limit: limit.name
)
def test_a_limit_of_ours_is_shown_by_its_statement(limit: Any, andamios_memory_url: str) -> None:
    engine = create_engine(andamios_memory_url)
    with (
        engine.connect() as connection,
        pytest.raises(StatementRefused, match=limit.error),
    ):
        _show(limit, lambda statement: connection.execute(text(statement)))
    engine.dispose()


@pytest.mark.unit
def test_limits_have_names_of_their_own_and_adapt_classes_that_are_there() -> None:
    names = [limit.name for limit in LIMITS]
    suite = ast.walk(ast.parse(SUITE.read_text(encoding="utf-8")))
    classes = {node.name for node in suite if isinstance(node, ast.ClassDef)}
    adapted = {name for limit in LIMITS for name in limit.adapts}

    assert len(names) == len(set(names))
    assert {name for name in classes if not name.startswith("_")} == {
        *adapted,
        "ServerSideCursorsTest",
    }


@pytest.mark.unit
def test_the_page_lists_the_limits_as_they_are() -> None:
    page = compliance.PAGE.read_text(encoding="utf-8")

    assert [limit.name for limit in LIMITS if compliance.limit_row(limit) not in page] == []


@pytest.mark.unit
def test_the_page_lists_eight_runs_without_a_fault() -> None:
    rows, _ = compliance.published()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]

    lines = {version.rpartition(".")[0] for version, *_ in cells}
    assert sorted((api, place) for _, api, place, *_ in cells) == sorted(
        [(api, place) for api in compliance.DRIVERS for place in compliance.PLACES] * len(lines)
    )
    assert lines == set(compliance.FLOORS)
    for version, _, _, passed, failed, errors, _, deselected in cells:
        assert (failed, errors, deselected) == ("0", "0", "0")
        assert int(passed) >= compliance.FLOORS[version.rpartition(".")[0]]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.parametrize("place", compliance.PLACES)
@pytest.mark.parametrize("api", compliance.DRIVERS)
def test_the_suite_passes_as_published(api: str, place: str) -> None:
    run = compliance.run(sys.executable, api, place)

    assert run.faults == []
    rows, skips = compliance.published()
    if run.version in skips:
        assert run.row in rows
        assert run.skips == skips[run.version]
