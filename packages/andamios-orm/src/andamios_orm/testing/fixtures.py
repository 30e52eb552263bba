"""The fixtures, for a project that loads its plugins by name.

``pytest_plugins = ["andamios_orm.testing.fixtures"]`` in the root ``conftest.py`` does what
pytest does by itself where it may look for plugins.
"""

from __future__ import annotations

from andamios_pytest.plugin import (
    andamios_databases,
    andamios_db,
    andamios_db_rollback,
    andamios_duckdb_url,
    andamios_factories,
    andamios_faults,
    andamios_memory_url,
    andamios_metadata,
    andamios_pg,
    andamios_postgres_databases,
    andamios_postgres_server,
    andamios_postgres_url,
    andamios_prepared,
    andamios_session,
    frozen_clock,
    hop_budget,
    query_budget,
)

__all__ = [
    "andamios_databases",
    "andamios_db",
    "andamios_db_rollback",
    "andamios_duckdb_url",
    "andamios_factories",
    "andamios_faults",
    "andamios_memory_url",
    "andamios_metadata",
    "andamios_pg",
    "andamios_postgres_databases",
    "andamios_postgres_server",
    "andamios_postgres_url",
    "andamios_prepared",
    "andamios_session",
    "frozen_clock",
    "hop_budget",
    "query_budget",
]

pytest_plugins = ("andamios_pytest.plugin",)
