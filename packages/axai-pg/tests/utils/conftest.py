"""Databases that initializers may make."""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from axai_pg.data.config import PostgresConnectionConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.testing.databases import PostgresDatabases


@pytest.fixture
def config(andamios_postgres_databases: PostgresDatabases) -> Iterator[PostgresConnectionConfig]:
    """Yield where a database may be made; whatever is there in the end goes."""
    url = make_url(andamios_postgres_databases.create())
    andamios_postgres_databases.drop(url.render_as_string(hide_password=False))
    name = f"{url.database}_{uuid.uuid4().hex[:6]}"
    config = dataclasses.replace(PostgresConnectionConfig.from_url(url), database=name)
    yield config
    andamios_postgres_databases.drop(config.url.render_as_string(hide_password=False))


@pytest.fixture
def maintenance(config: PostgresConnectionConfig) -> Iterator[psycopg.Connection[object]]:
    """Yield a connection of a superuser to the database that the server has from the start."""
    with psycopg.connect(
        host=config.host, user=config.username, dbname="postgres", autocommit=True
    ) as connection:
        yield connection
