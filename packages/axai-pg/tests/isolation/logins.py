"""A login of a service, as an application has it: no superuser that became somebody else."""

from __future__ import annotations

import secrets
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from axai_pg.utils.roles import grant_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.isolation.scene import Organisation

__all__ = ["Login", "made_login"]


class Login:
    """A member of the role of services; ``act`` begins a transaction in an organisation."""

    def __init__(self, url: str) -> None:
        self.name = f"andamios_test_login_{uuid.uuid4().hex[:12]}"
        self.password = secrets.token_hex()
        self.conninfo = make_conninfo(url, user=self.name, password=self.password)

    @property
    def place(self) -> dict[str, Any]:
        """Return host, port and database."""
        found = conninfo_to_dict(self.conninfo)
        return {name: found[name] for name in ("host", "port", "dbname") if name in found}

    @contextmanager
    def connected(self, *, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection; what is not committed is taken back."""
        with psycopg.connect(self.conninfo, autocommit=autocommit) as connection:
            yield connection
            connection.rollback()

    def act(self, connection: psycopg.Connection[Any], organisation: Organisation) -> None:
        """Set the context of a transaction."""
        connection.execute("SELECT set_config('axai.org_id', %s, true)", [str(organisation.id)])


@contextmanager
def made_login(url: str) -> Iterator[Login]:
    """Yield a login that is there for a while."""
    login = Login(url)
    name = sql.Identifier(login.name)
    with psycopg.connect(url, autocommit=True) as connection:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        connection.execute(create.format(name, sql.Literal(login.password)))
        grant_login(connection, login.name)
        yield login
        connection.execute(sql.SQL("DROP ROLE {}").format(name))
