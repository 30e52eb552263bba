from __future__ import annotations

import psycopg
import pytest
from psycopg.rows import dict_row

from axai_pg.testing.rows import tenant_tables

pytestmark = [pytest.mark.integration, pytest.mark.db]


def test_tables_are_found_whatever_the_rows_of_the_connection_are(shared_url: str) -> None:
    place = shared_url.replace("+psycopg", "")
    with (
        psycopg.connect(place) as plain,
        psycopg.connect(place, row_factory=dict_row) as named,
    ):
        found = tenant_tables(named)

        assert found == tenant_tables(plain)
        assert "documents" in {table.name for table in found}
