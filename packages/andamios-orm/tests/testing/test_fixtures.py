"""What the fixtures do in sessions of their own: under each plugin, in parallel, in any order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from andamios_orm.testing import fixtures
from andamios_pytest import plugin

if TYPE_CHECKING:
    from andamios_orm.testing.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.db]

MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from andamios_orm.models import IntegerKeyMixin, Row

class Base(Row, DeclarativeBase):
    pass

class Product(IntegerKeyMixin, Base):
    __tablename__ = "products"
    name: Mapped[str] = mapped_column(unique=True)
"""
INI = """
[pytest]
andamios_models = shop:Base
pythonpath = .
filterwarnings = error
asyncio_default_fixture_loop_scope = function
asyncio_mode = {mode}
"""
TESTS = """
import pytest
from sqlalchemy import select
from shop import Product

{mark}

@pytest.fixture
def database(request):
    return request.getfixturevalue(request.param)

NAMES = {names}

@pytest.mark.parametrize("number", range({count}))
@pytest.mark.parametrize("database", NAMES, indirect=True)
async def test_database(database, number):
    async with database.transaction() as session:
        session.add(Product(name="a"))
    async with database.session() as session:
        assert (await session.scalars(select(Product.id))).all() == [1]

@pytest.mark.parametrize("number", range({count}))
async def test_session(andamios_session, number):
    andamios_session.add(Product(name="a"))
    await andamios_session.commit()
    await andamios_session.rollback()
    assert (await andamios_session.scalars(select(Product.id))).all() == [1]
    andamios_session.add(Product(name="left behind"))
    await andamios_session.flush()

@pytest.mark.parametrize("number", range({count}))
async def test_rollback(andamios_db_rollback, number):
    andamios_db_rollback.add(Product(name="a"))
    await andamios_db_rollback.commit()
    assert len((await andamios_db_rollback.scalars(select(Product.id))).all()) == 1
"""
ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
STRICT = "pytestmark = pytest.mark.asyncio"
ONE = '["andamios_db"]'
BOTH = '["andamios_db", "andamios_pg"]'
OPTIONS = ("-p", "andamios_pytest.plugin", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def _only_the_plugins_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def elsewhere(
    andamios_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> PostgresServer:
    """Let the inner sessions use the server of this one by its URL."""
    monkeypatch.setenv("ANDAMIOS_TEST_POSTGRES_URL", andamios_postgres_server.url)
    monkeypatch.delenv("ANDAMIOS_TEST_POSTGRES", raising=False)
    return andamios_postgres_server


def write(pytester: pytest.Pytester, test: str, *, mode: str = "auto") -> None:
    """Write a project with models and one module of tests."""
    pytester.makepyfile(shop=MODELS, test_shop=test)
    pytester.makeini(INI.format(mode=mode))


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("plugin", "mode", "mark"),
    [
        ("pytest_asyncio.plugin", "auto", ""),
        ("pytest_asyncio.plugin", "strict", STRICT),
        ("anyio", "", ANYIO),
    ],
    ids=["auto", "strict", "anyio"],
)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_test_begins_empty(
    pytester: pytest.Pytester, plugin: str, mode: str, mark: str, workers: str
) -> None:
    write(pytester, TESTS.format(mark=mark, names=BOTH, count=3), mode=mode)
    if plugin == "anyio":
        ini = INI.replace("asyncio_default_fixture_loop_scope = function\n", "")
        pytester.makeini(ini.replace("asyncio_mode = {mode}\n", ""))
        options = ("-p", "anyio.pytest_plugin")
    else:
        options = ("-p", "pytest_asyncio.plugin")

    outcome = pytester.runpytest_subprocess(
        *OPTIONS, *options, "-p", "xdist", "-n", workers, "--andamios-db=duckdb,postgresql"
    )

    outcome.assert_outcomes(passed=15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_does_not_matter(pytester: pytest.Pytester, seed: str) -> None:
    write(pytester, TESTS.format(mark="", names=ONE, count=5))

    outcome = pytester.runpytest_subprocess(
        *OPTIONS, "-p", "pytest_asyncio.plugin", "-p", "pytest_randomly", f"--randomly-seed={seed}"
    )

    outcome.assert_outcomes(passed=15)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_tests_leave_no_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(pytester, TESTS.format(mark="", names=ONE, count=334))
    temporary = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))

    outcome = pytester.runpytest_subprocess(
        *OPTIONS, "-p", "pytest_asyncio.plugin", "-p", "xdist", "-n", "2", "-q"
    )

    outcome.assert_outcomes(passed=1002)
    assert [path for path in temporary.rglob("*") if not path.is_dir()] == []


@pytest.mark.slow
def test_databases_are_kept_when_that_is_asked_for(
    pytester: pytest.Pytester, elsewhere: PostgresServer
) -> None:
    write(pytester, TESTS.format(mark="", names=BOTH, count=1))

    outcome = pytester.runpytest_subprocess(
        *OPTIONS,
        "-p",
        "pytest_asyncio.plugin",
        "--andamios-keep-db",
        "--basetemp=base",
        "-k",
        "database",
    )

    outcome.assert_outcomes(passed=2, deselected=2)
    lines = [line for line in outcome.outlines if line.startswith("andamios: kept ")]
    file, name = (line.split()[2] for line in sorted(lines))
    assert Path(file.removeprefix("duckdb+andamios:///")).exists()
    assert min(lines).endswith("test_shop.py::test_database[andamios_db-0]")
    with psycopg.connect(elsewhere.url.replace("+psycopg", ""), autocommit=True) as connection:
        kept = sql.Identifier(str(make_url(name).database))
        connection.execute(sql.SQL("DROP DATABASE {}").format(kept))


@pytest.mark.slow
def test_a_system_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    write(pytester, "def test_it(andamios_session): pass")

    outcome = pytester.runpytest_inprocess(*OPTIONS, "--andamios-db=oracle", "-W", "ignore")

    outcome.stdout.fnmatch_lines(["*--andamios-db=oracle: write duckdb, postgresql or both*"])


@pytest.mark.slow
def test_the_plugin_imports_nothing_of_the_package(root: Path) -> None:
    script = "import sys, andamios_pytest.plugin; print([m for m in sys.modules if 'alchemy' in m])"

    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )

    assert said.stdout == "[]\n"


def test_all_fixtures_can_be_loaded_by_name() -> None:
    fixture = type(plugin.andamios_db)

    found = {name for name, each in vars(plugin).items() if isinstance(each, fixture)}

    assert set(fixtures.__all__) == found
    assert fixtures.pytest_plugins == ("andamios_pytest.plugin",)


class _Options:
    """Notes the names that are added, like pytest's parser."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *_: str) -> _Options:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.add(name)

    def addini(self, name: str, *_: str, **_options: str) -> None:
        self.names.add(name)


def test_the_page_names_every_option(root: Path) -> None:
    page = (root / "docs" / "howto" / "testing.md").read_text(encoding="utf-8")
    added: Any = _Options()

    plugin.pytest_addoption(added)

    table = page.partition("## Options and settings\n")[2].partition("\n\n#")[0]
    assert set(re.findall(r"^\| `([-\w]+)` \|", table, re.MULTILINE)) == added.names
