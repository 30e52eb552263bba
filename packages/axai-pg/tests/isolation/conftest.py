"""A database to attack, and what attackers find in it."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from axai_pg.utils.roles import prepare_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.isolation.logins import Login
    from tests.isolation.scene import Organisation, Scene

    from andamios_orm.testing.databases import PostgresDatabases


def _share(name: str) -> None:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.isolation.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


for _name in (
    "scene",
    "logins",
    "attacks_on_rows",
    "attacks_on_keys",
    "attacks_on_rights",
    "promises",
    "promises_of_audit",
    "promises_of_functions",
    "mutants",
    "test_catalogue",
):
    _share(_name)


@pytest.fixture(scope="session")
def new_attacked(
    andamios_postgres_databases: PostgresDatabases, schema_template: str
) -> Callable[[], AbstractContextManager[str]]:
    """Return what yields the URL, for psycopg, of a database that nothing but attacks is in."""

    @contextmanager
    def made() -> Iterator[str]:
        url = andamios_postgres_databases.create(schema_template)
        plain = url.replace("+psycopg", "", 1)
        with psycopg.connect(plain, autocommit=True) as connection:
            prepare_database(connection)
        yield plain
        andamios_postgres_databases.drop(url)

    return made


@pytest.fixture(scope="session")
def attacked_url(new_attacked: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Yield the URL of a database in which nothing is committed but two organisations."""
    with new_attacked() as url:
        yield url


@pytest.fixture(scope="session")
def organisations(attacked_url: str) -> tuple[Organisation, Organisation]:
    """Return the organisation that attacks, and the one that is attacked."""
    from tests.isolation.scene import fill

    with psycopg.connect(attacked_url, autocommit=True) as connection:
        return fill(connection), fill(connection)


@pytest.fixture(scope="session")
def login(attacked_url: str) -> Iterator[Login]:
    """Yield a login of a service."""
    from tests.isolation.logins import made_login

    with made_login(attacked_url) as login:
        yield login


@pytest.fixture(scope="module")
def attacked(attacked_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield the connection of a superuser."""
    with psycopg.connect(attacked_url) as connection:
        yield connection


@pytest.fixture
def scene(
    attacked: psycopg.Connection[Any], organisations: tuple[Organisation, Organisation]
) -> Iterator[Scene]:
    """Yield the scene of one attack, in a transaction that is rolled back."""
    from tests.isolation.scene import Scene

    with attacked.transaction(force_rollback=True):
        yield Scene(attacked, *organisations)
