"""Metrics of a manager, and an organisation whose key must not be in them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from axai_pg.data.config.database import PostgresPoolConfig
from axai_pg.data.metrics import Metrics
from axai_pg.data.models import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axai_pg import DatabaseManager


@pytest.fixture
def manager(service: str, manager_of: Callable[..., DatabaseManager]) -> DatabaseManager:
    """Return a manager with room for a cache that listens."""
    pool = PostgresPoolConfig(pool_size=2, max_overflow=0)
    return manager_of(service, pool=pool, require_unprivileged=True)


@pytest.fixture
def acme(manager: DatabaseManager) -> uuid.UUID:
    """Return an organisation."""
    org_id = uuid.uuid4()
    with manager.session_scope(org_id) as session:
        session.add(Organization(id=org_id, name="x"))
    return org_id


@pytest.fixture
def metrics(manager: DatabaseManager, acme: uuid.UUID) -> Iterator[Metrics]:
    """Yield metrics that have not seen how the organisation was made."""
    del acme  # it is only to be there before
    with Metrics(manager) as metrics:
        yield metrics
