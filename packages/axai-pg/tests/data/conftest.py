"""Managers of each kind of login, and two organisations."""

from __future__ import annotations

import dataclasses
import uuid
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from axai_pg.data.config.database import (
    DatabaseManager,
    PostgresConnectionConfig,
    PostgresPoolConfig,
)
from axai_pg.exceptions import PrivilegedLoginUsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeLogin = Callable[..., str]

ONE = PostgresPoolConfig(pool_size=1, max_overflow=0, pool_timeout=0.2)


@pytest.fixture(scope="session")
def config(shared_url: str) -> PostgresConnectionConfig:
    """Return where the database is that tests share, for a superuser."""
    return PostgresConnectionConfig.from_url(shared_url)


@pytest.fixture
def superuser(shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection of a superuser, on which each statement commits."""
    with psycopg.connect(shared_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@contextmanager
def logins(url: str) -> Iterator[MakeLogin]:
    """Yield ``make(*memberships, options="")``: the name of a new role that may log in."""
    made = []
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:

        def make(*memberships: str, options: str = "") -> str:
            name = f"axai_test_{uuid.uuid4().hex[:12]}"
            connection.execute(f"CREATE ROLE {name} LOGIN {options}")
            made.append(name)
            for role in memberships:
                connection.execute(f"GRANT {role} TO {name}")
            return name

        yield make
        for name in reversed(made):
            connection.execute(f"REASSIGN OWNED BY {name} TO axai_owner")
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def make_login(shared_url: str) -> Iterator[MakeLogin]:
    """Yield what makes logins of this test."""
    with logins(shared_url) as make:
        yield make


@pytest.fixture(scope="session")
def service(shared_url: str) -> Iterator[str]:
    """Yield a login of a service, as it should be."""
    with logins(shared_url) as make:
        yield make("axai_app")


@pytest.fixture
def manager_of(config: PostgresConnectionConfig) -> Iterator[Callable[..., DatabaseManager]]:
    """Yield ``manager_of(login, **options)``, with a pool of one connection if not told."""
    made = []

    def make(login: str, *, pool: PostgresPoolConfig = ONE, **options: Any) -> DatabaseManager:
        mine = dataclasses.replace(config, username=login)
        made.append(DatabaseManager(mine, pool, **options))
        return made[-1]

    yield make
    for manager in made:
        manager.dispose()


@pytest.fixture
def manager(service: str, manager_of: Callable[..., DatabaseManager]) -> DatabaseManager:
    """Return the manager of a service, whose login is as it should be."""
    return manager_of(service, require_unprivileged=True)


@pytest.fixture
def careless(manager_of: Callable[..., DatabaseManager]) -> Iterator[DatabaseManager]:
    """Yield the manager of a superuser, of which nobody warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivilegedLoginUsed)
        yield manager_of("postgres")
