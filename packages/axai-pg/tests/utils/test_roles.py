from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from andamios_orm.exceptions import DatabaseUnavailable
from axai_pg.utils import roles
from axai_pg.utils.roles import ROLES, ensure_roles, grant_login, prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from andamios_orm.testing.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def connection(shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection whose changes to roles nobody else sees."""
    with psycopg.connect(shared_url.replace("+psycopg", "")) as connection:
        yield connection
        connection.rollback()


def test_roles_that_are_there_are_left_alone(connection: psycopg.Connection[Any]) -> None:
    assert ensure_roles(connection) == ()


def test_a_role_that_has_become_too_powerful_is_mended(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("ALTER ROLE axai_app BYPASSRLS CREATEDB LOGIN")
    connection.execute("ALTER ROLE axai_system NOBYPASSRLS")
    connection.execute("REVOKE axai_owner FROM axai_migrate")

    assert set(ensure_roles(connection)) == {"axai_app", "axai_system", "axai_migrate"}

    found = connection.execute(
        "SELECT rolbypassrls, rolcreatedb, rolcanlogin FROM pg_roles"
        " WHERE rolname IN ('axai_app', 'axai_system') ORDER BY rolname"
    ).fetchall()
    assert found == [(False, False, True), (True, False, False)]
    assert ensure_roles(connection) == ()


def test_a_member_that_may_not_act_as_the_role_is_mended(
    connection: psycopg.Connection[Any],
) -> None:
    if connection.info.server_version < 160_000:
        pytest.skip("before PostgreSQL 16 each member may act as the role")
    connection.execute("GRANT axai_owner TO axai_migrate WITH INHERIT FALSE, SET FALSE")

    assert ensure_roles(connection) == ("axai_migrate",)

    [(may_act,)] = connection.execute("SELECT pg_has_role('axai_migrate', 'axai_owner', 'SET')")
    assert may_act
    assert ensure_roles(connection) == ()


def test_a_login_is_let_in(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE ROLE axai_test_login LOGIN")

    grant_login(connection, "axai_test_login")

    [(member,)] = connection.execute(
        "SELECT pg_has_role('axai_test_login', 'axai_app', 'MEMBER')"
    ).fetchall()
    assert member
    with pytest.raises(ValueError, match="'postgres' is no role of axai: choose one of axai_owner"):
        grant_login(connection, "axai_test_login", "postgres")


def test_nobody_but_the_owner_makes_tables(connection: psycopg.Connection[Any]) -> None:
    prepare_database(connection)
    prepare_database(connection, "elsewhere")

    found = connection.execute(
        "SELECT role, has_schema_privilege(role, 'elsewhere', 'USAGE'),"
        " has_schema_privilege(role, 'elsewhere', 'CREATE') FROM unnest(%s::text[]) AS role",
        [list(ROLES)],
    ).fetchall()

    assert {role for role, uses, _ in found if uses} == set(ROLES)
    assert [role for role, _, creates in found if creates] == ["axai_owner", "axai_migrate"]


def test_roles_that_others_keep_changing_are_given_up(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[psycopg.Error] = []

    def race(_connection: object) -> list[str]:
        raised.append(psycopg.errors.DuplicateObject(f"attempt {len(raised) + 1}"))
        raise raised[-1]

    monkeypatch.setattr(roles, "_mend", race)
    monkeypatch.setattr(roles, "_PAUSE", 0)

    with pytest.raises(DatabaseUnavailable, match=r"keep changing the roles.*attempt 20") as given:
        ensure_roles(connection)

    assert len(raised) == 20
    assert given.value.__cause__ is given.value.orig is raised[-1]


@pytest.mark.slow
def test_several_processes_may_begin_at_once(new_server: PostgresServer, root: Path) -> None:
    """In different databases of one cluster, where no lock of PostgreSQL would help."""
    url = new_server.url.replace("+psycopg", "")
    names = [f"first_{number}" for number in range(6)]
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")

    def begin(name: str) -> tuple[str, ...]:
        place = url.replace("/postgres?", f"/{name}?")
        with psycopg.connect(place, autocommit=True) as connection:
            made = ensure_roles(connection)
            prepare_database(connection)
            return made

    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(begin, names))

    assert sorted(role for roles_ in made for role in roles_) == sorted(ROLES)
