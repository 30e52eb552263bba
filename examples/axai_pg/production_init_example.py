"""How a service begins: a database set up once, and a login that sees one organisation at a time.

Shows ``DatabaseInitializer`` for the operator who sets the database up, the login of the
service that is granted what it needs and no more, and ``DatabaseManager`` as a service uses it:
``require_unprivileged=True``, health at the start, a scope for each request.

Set ``POSTGRES_HOST`` and the like to use your own server; without, one is started. Costs: a
scope is a transaction, and says whose it is in the message of ``BEGIN``.

Edge cases: a login that could see all organisations is refused with the commands that mend it;
a scope without an organisation touches no table of one; what is another's is not there.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql
from sqlalchemy import select

from andamios_orm import run
from axai_pg import DatabaseManager, Document, Organization, PostgresConnectionConfig, User
from axai_pg.exceptions import OrganizationRequired, PrivilegedLogin
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig
from axai_pg.utils.roles import grant_login
from axai_pg.utils.server import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = f"axai_example_{uuid.uuid4().hex[:8]}"


@contextmanager
def server() -> Iterator[PostgresConnectionConfig]:
    """Yield the server of the environment, or one for this example."""
    if os.environ.get("POSTGRES_HOST"):
        yield PostgresConnectionConfig.from_env()
    else:
        with temporary_server() as config:
            yield config


@contextmanager
def service_login(operator: PostgresConnectionConfig) -> Iterator[PostgresConnectionConfig]:
    """Yield how the service logs in. An operator does this once, with a password."""
    name = sql.Identifier(SERVICE)
    with connect(operator) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        try:
            grant_login(connection, SERVICE)
            yield dataclasses.replace(operator, username=SERVICE)
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


async def serve(manager: DatabaseManager) -> None:
    """Do what a service does: look whether all is well, then answer requests."""
    health = await manager.check_health()
    assert health.isolated, health
    print(f"PostgreSQL {health.version}: organisations are kept apart")

    acme, globex = uuid.uuid4(), uuid.uuid4()
    for org_id in (acme, globex):
        async with manager.async_session_scope(org_id) as session:
            session.add(Organization(id=org_id, name="x"))
            await session.flush()
            user = User(username="ana", email="ana@example.org")
            session.add(user)
            await session.flush()
            session.add(Document(title=f"Of {org_id}", owner_id=user.id))

    async with manager.async_session_scope(acme) as session:
        titles = (await session.scalars(select(Document.title))).all()
        assert titles == [f"Of {acme}"]
        print("Acme sees", len(titles), "of 2 documents, and asked for all")

    try:
        async with manager.async_session_scope() as session:
            await session.scalars(select(Document))
    except OrganizationRequired as error:
        print("without an organisation:", error)


def main() -> None:
    """Set up, serve, and leave nothing behind."""
    with (
        server() as operator,
        DatabaseInitializer(
            DatabaseInitializerConfig(operator, auto_drop_on_exit=True)
        ) as initializer,
    ):
        initializer.setup_database()
        try:
            manager = DatabaseManager.initialize(operator, require_unprivileged=True)
            with manager.session_scope() as session:
                session.execute(select(1))
        except PrivilegedLogin as error:
            print("an operator's login is refused:", error.reasons)
        with service_login(operator) as service:
            manager = DatabaseManager.initialize(service, require_unprivileged=True)
            try:
                run(serve(DatabaseManager.get_instance()))
            finally:
                manager.dispose()


if __name__ == "__main__":
    main()
