from __future__ import annotations

import pytest

from andamios_orm.exceptions import DatabaseUnavailable
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import server

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.mark.slow
def test_a_server_is_there_for_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDAMIOS_TEST_POSTGRES_URL", raising=False)

    with temporary_server() as config, server.connect(config, server.MAINTENANCE) as connection:
        assert not server.database_exists(connection, config.database)

    with pytest.raises(DatabaseUnavailable):
        server.connect(config, server.MAINTENANCE)
