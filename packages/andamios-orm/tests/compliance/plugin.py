"""The pytest plugin of a compliance run: provisions DuckDB, and writes what became of each test.

``--report`` names a JSON file. It lists every test that was collected, those too that
SQLAlchemy's plugin leaves out in silence because their class requires what is closed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from sqlalchemy import Connection, delete, exists, make_url
from sqlalchemy.dialects import registry as dialects
from sqlalchemy.testing import config as current
from sqlalchemy.testing import provision
from tests.compliance.limits import LIMITS

import andamios_orm.dialect  # noqa: F401 - registers duckdb+andamios
from andamios_orm.dialect.options import parse_options
from andamios_orm.dialect.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.dialect.database import DuckDBDatabase

# The suite makes its engines by create_engine() and asks them whether they are async, so the
# async dialect needs a name that create_engine() knows.
dialects.register("duckdb.andamios_async", "andamios_orm.dialect", "AsyncDuckDBDialect")

_DATABASE = re.compile(r"_duckdb\+andamios[a-z_]*[0-9_]*(?=::)")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--report``."""
    parser.addoption("--report", required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Keep a memory database while engines come and go, and begin the report."""
    url = make_url(config.getoption("dburi")[0])
    kept = registry.acquire(url.database or "", parse_options(dict(url.query)))
    config.pluginmanager.register(Report(Path(config.getoption("report")), kept))


class Report:
    """What became of each test."""

    def __init__(self, path: Path, kept: DuckDBDatabase) -> None:
        self.path = path
        self.kept = kept
        self.outcomes: dict[str, tuple[str, str]] = {}
        self.deselected: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        """Note which tests disappear when SQLAlchemy's plugin makes a class for each database."""
        before = {_name(item.nodeid): item for item in items}
        yield
        kept = {_name(item.nodeid): item for item in items}
        for name, item in before.items():
            if name not in kept:
                self.outcomes[name] = ("skipped", _why_left_out(item))
        for name, item in kept.items():
            for limit in LIMITS:
                if name.startswith(limit.tests):
                    item.add_marker(pytest.mark.skip(limit.skip_reason))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note what was deselected: nothing should be."""
        self.deselected += [_name(item.nodeid) for item in items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test; an error outlives what its other phases say."""
        name = _name(report.nodeid)
        known = self.outcomes.get(name, ("", ""))[0]
        if report.failed:
            outcome = "failed" if report.when == "call" and known != "error" else "error"
            self.outcomes[name] = (outcome, report.longreprtext.rpartition("\n")[2])
        elif report.skipped:
            self.outcomes[name] = ("skipped", str(report.longrepr[2]))  # type: ignore[index]  # of a skip: path, line, reason
        elif report.when == "call":
            self.outcomes[name] = ("passed", "")

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        registry.release(self.kept)
        content = {
            "version": sqlalchemy.__version__,
            "outcomes": self.outcomes,
            "deselected": self.deselected,
        }
        self.path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _why_left_out(item: pytest.Item) -> str:
    """Return which limits close what the class of ``item`` requires."""
    requirements = item.getparent(pytest.Class).obj.__requires__  # type: ignore[union-attr]  # the suite has classes only
    closed = [
        reason
        for name in requirements
        for reason in getattr(current.requirements, name).matching_config_reasons(current)
    ]
    return ", ".join(closed)


def _name(node: str) -> str:
    """Return ``Class::test[parameters]``, without the name of the database."""
    return _DATABASE.sub("", node).partition("::")[2]


@provision.temp_table_keyword_args.for_db("duckdb")  # type: ignore[untyped-decorator]
def _temp_table_keyword_args(cfg: object, eng: object) -> dict[str, list[str]]:
    return {"prefixes": ["TEMPORARY"]}


@provision.post_configure_engine.for_db("duckdb")  # type: ignore[untyped-decorator]
def _make_schemas(url: object, engine: object, follower_ident: object) -> None:
    with engine.begin() as connection:  # type: ignore[attr-defined]  # SQLAlchemy's hooks are untyped
        for schema in ("test_schema", "test_schema_2"):
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")


@provision.delete_from_all_tables.for_db("duckdb")  # type: ignore[untyped-decorator]
def _delete_from_all_tables(connection: Connection, cfg: object, metadata: object) -> None:
    """Delete leaf rows first, a transaction each: DuckDB sees deleted children until COMMIT."""
    engine = connection.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as own:
        for table in reversed(metadata.sorted_tables):  # type: ignore[attr-defined]
            leaves = delete(table)
            for key in table.foreign_keys:
                if key.column.table is table:
                    child = table.alias()
                    leaves = leaves.where(~exists().where(child.c[key.parent.key] == key.column))
            while own.execute(leaves).rowcount > 0:
                pass
