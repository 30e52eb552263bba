"""A PostgreSQL for a block: to try something, or to show it."""

from __future__ import annotations

import dataclasses
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run
from axai_pg.data.config import PostgresConnectionConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["temporary_server"]


@contextmanager
def temporary_server() -> Iterator[PostgresConnectionConfig]:
    """Yield where a database may be made, on a server that is gone after the block.

    Where ``ANDAMIOS_TEST_POSTGRES_URL`` names a server, that one is used, and stays.

    Raises:
        MissingExtra: there is no server to start.
    """
    run = Run.create()
    try:
        server = run.server(PostgresSettings.from_environment(os.environ))
        config = PostgresConnectionConfig.from_url(server.url)
        yield dataclasses.replace(config, database=f"axai_{secrets.token_hex(4)}")
    finally:
        run.close()
