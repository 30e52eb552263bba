"""What the fixtures do in a project of somebody else, with nothing but an import."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from axai_pg.testing import fixtures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm.testing.postgres import PostgresServer

    Pytest = Callable[..., str]

pytestmark = [pytest.mark.e2e, pytest.mark.db]

USES = {
    "axai_db_config": "assert axai_db_config.port == 5432",
    "axai_test_db": "assert axai_test_db.apply_schema() == ()",
    "axai_db_session": "axai_db_session.add(Organization(name='x')); axai_db_session.commit()",
    "axai_clean_db_session": "assert axai_clean_db_session.query(Organization).count() == 0",
    "axai_db_manager": "assert DatabaseManager.get_instance() is axai_db_manager",
    "axai_reset_db": "assert not axai_reset_db.create_database()",
    "axai_org": "assert axai_org.name == 'Test'",
    "axai_org_session": "assert axai_org_session.query(Organization).count() == 1",
}
HEAD = "from axai_pg import DatabaseManager, Document, Organization, Topic, User\n"
INI = "[pytest]\naddopts = -p no:cacheprovider\nfilterwarnings = error\n"


@pytest.fixture
def run(
    tmp_path: Path, andamios_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Pytest:
    """Return ``run(**modules)``: what pytest says of a project with these test modules."""
    for name in [name for name in os.environ if name.startswith(("POSTGRES_", "AXAI_", "PYTEST_"))]:
        monkeypatch.delenv(name)

    def run(
        *arguments: str,
        server: str | None = None,
        embedded: bool = False,
        passes: bool = True,
        **modules: str,
    ) -> str:
        (tmp_path / "pytest.ini").write_text(INI, encoding="utf-8")
        for name, text in modules.items():
            (tmp_path / f"test_{name}.py").write_text(HEAD + text, encoding="utf-8")
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "andamios_pytest.plugin", *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "ANDAMIOS_TEST_POSTGRES_URL": "" if embedded else andamios_postgres_server.url,
                **({"POSTGRES_HOST": server} if server else {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (finished.returncode == 0) == passes, finished.stdout + finished.stderr
        return finished.stdout

    return run


def test_the_fixtures_that_are_promised_are_there() -> None:
    assert sorted(USES) == fixtures.__all__


@pytest.mark.slow
def test_importing_any_single_one_is_enough(run: Pytest) -> None:
    modules = {
        name: f"from axai_pg.testing.fixtures import {name}\n"
        f"def test({name}):\n    {use}\n    {use if name == 'axai_db_session' else ''}\n"
        for name, use in USES.items()
    }

    assert "8 passed" in run(**modules)


@pytest.mark.slow
def test_what_a_test_writes_is_gone_after_it(run: Pytest) -> None:
    text = """
from axai_pg.testing.fixtures import *
import pytest
from sqlalchemy import func, select

@pytest.mark.parametrize("number", range(2))
def test_of_an_operator(axai_db_session, number):
    assert axai_db_session.scalar(select(func.count()).select_from(Organization)) == 0
    axai_db_session.add(Organization(name="Test"))
    axai_db_session.commit()
    axai_db_session.add(Organization(name="Other"))
    axai_db_session.rollback()
    assert axai_db_session.scalar(select(func.count()).select_from(Organization)) == 1

@pytest.mark.parametrize("number", range(2))
def test_in_an_organisation(axai_org, axai_org_session, axai_db_manager, number):
    axai_org_session.add(Topic(name="mine"))
    axai_org_session.commit()
    assert axai_org_session.scalar(select(Topic.org_id)) == axai_org.id
    with axai_db_manager.session_scope(axai_org.id) as session:
        assert session.scalar(select(Topic.name)) is None
        session.add(Topic(name="committed"))

def test_that_all_is_gone(axai_clean_db_session, axai_db_manager):
    assert axai_clean_db_session.scalar(select(func.count()).select_from(Topic)) == 0
    axai_clean_db_session.add(Organization(name="stays"))
    axai_clean_db_session.commit()
    with axai_db_manager.system_scope("look") as session:
        assert session.scalar(select(Organization.name)) == "stays"

def test_that_all_is_new(axai_reset_db, axai_db_session):
    assert axai_db_session.scalar(select(func.count()).select_from(Organization)) == 0
"""

    assert "6 passed" in run(rows=text)


@pytest.mark.slow
def test_workers_share_a_server_and_have_a_database_each(run: Pytest) -> None:
    text = """
from axai_pg.testing.fixtures import axai_clean_db_session
import pytest
@pytest.mark.parametrize("number", range(8))
def test(axai_clean_db_session, number):
    axai_clean_db_session.add(Organization(name=str(number)))
"""

    assert "8 passed" in run("-p", "xdist", "-n", "2", workers=text)


@pytest.mark.slow
def test_a_server_that_is_given_is_used_and_left_as_it_was(
    run: Pytest, andamios_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = andamios_postgres_server.url
    name = f"andamios_test_given_{os.getpid()}"
    monkeypatch.setenv("POSTGRES_DB", name)
    text = f"""
from axai_pg.testing.fixtures import axai_test_db, axai_reset_db
def test(axai_test_db):
    assert axai_test_db.config.connection_config.database == "{name}"
def test_reset(axai_reset_db):
    pass
"""
    host = str(make_url(url).query["host"])

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        there: Any = ["SELECT FROM pg_database WHERE datname = %s", [name]]

        assert "2 passed" in run(server=host, given=text)  # made, and dropped
        assert connection.execute(*there).fetchone() is None

        connection.execute(f"CREATE DATABASE {name}")
        said = run(server=host, passes=False, given=text)
        assert "1 passed, 1 error" in said
        assert "was not made here" in said
        assert connection.execute(*there).fetchone() is not None

        monkeypatch.setenv("AXAI_AUTO_DROP_DB", "true")
        monkeypatch.setenv("AXAI_LOAD_SAMPLE_DATA", "true")
        assert "2 passed" in run(server=host, given=text)
        assert connection.execute(*there).fetchone() is None


@pytest.mark.slow
def test_without_a_server_it_says_what_to_do(run: Pytest) -> None:
    text = """
import andamios_orm.testing.postgres as postgres
from axai_pg.testing.fixtures import axai_test_db
postgres.find_programs = lambda *_: None
def test(axai_test_db): pass
"""

    said = run(embedded=True, passes=False, none=text)

    assert "set POSTGRES_HOST" in said
    assert "pip install 'axai-pg[testing]'" in said


@pytest.mark.slow
def test_without_pytest_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pytest'] = None; import axai_pg.testing.fixtures"

    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (
        "MissingExtra: pytest is not installed: pip install 'axai-pg[testing]'" in finished.stderr
    )
