"""What an erasure rests on is not taken away from under seals."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from andamios_orm.exceptions import MigrationFailed
from axai_pg import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.slow]

ERASURE = "20261129_0011_erasure"
BEFORE = "20261129_0010_search"


@pytest.fixture
def sealed(schema_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection in an organisation whose log, with details, is under a seal."""
    with psycopg.connect(schema_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT set_config('axai.org_id', %s, false)", [str(uuid.uuid4())])
        connection.execute("SELECT axai_note('told', '{}')")
        with connection.transaction():  # as if it had been long ago
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("UPDATE audit_log SET transaction_id = 3")
        assert connection.execute("SELECT axai_seal_audit()").fetchone() == (1,)
        yield connection


def test_digests_that_seals_are_over_are_not_reverted(sealed: psycopg.Connection[Any]) -> None:
    with pytest.raises(MigrationFailed, match="over digests of details, and would break"):
        migrations.revert(sealed, BEFORE)

    assert migrations.status(sealed).current == ERASURE
    assert sealed.execute("SELECT axai_broken_seals()").fetchall() == []
    assert sealed.execute(
        "SELECT bool_and(relforcerowsecurity) FROM pg_class"
        " WHERE oid IN ('audit_log'::regclass, 'audit_seals'::regclass)"
    ).fetchone() == (True,)


def test_what_no_seal_is_over_is_reverted(sealed: psycopg.Connection[Any]) -> None:
    with sealed.transaction():
        sealed.execute("SET LOCAL ROLE axai_owner")
        sealed.execute("SELECT axai_prune_audit(clock_timestamp())")
    sealed.execute("SELECT axai_note('told', '{}')")

    migrations.revert(sealed, BEFORE)

    assert migrations.verify(sealed) == ()
