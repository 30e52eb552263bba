from __future__ import annotations

import pickle
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event, select, text

from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.isolation import Login
from axai_pg.data.models import Organization
from axai_pg.exceptions import OrganizationRequired, PrivilegedLogin, PrivilegedLoginUsed
from axai_pg.utils.roles import grant_login

if TYPE_CHECKING:
    from collections.abc import Callable

    from axai_pg.data.config.database import DatabaseManager

    Make = Callable[..., str]
    ManagerOf = Callable[..., DatabaseManager]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.usefixtures("logins_alone")]


def use(manager: DatabaseManager) -> Any:
    with manager.session_scope(uuid.uuid4()) as session:
        return session.scalar(select(Organization.id))


def test_an_ordinary_login_is_taken_without_a_word(make_login: Make, manager_of: ManagerOf) -> None:
    assert use(manager_of(make_login("axai_app"), require_unprivileged=True)) is None
    assert use(manager_of(make_login("axai_app", options="NOINHERIT"))) is None


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("memberships", "options", "reason"),
    [
        ((), "SUPERUSER", "it is a superuser"),
        (("axai_app",), "BYPASSRLS", "it has BYPASSRLS"),
        (("axai_app", "axai_owner"), "", "it is a member of axai_owner"),
        (("axai_app", "axai_system"), "", "it is a member of axai_system"),
        (("axai_app", "axai_migrate"), "NOINHERIT", "it is a member of axai_migrate"),
    ],
)
def test_the_commands_make_a_privileged_login_an_ordinary_one(
    make_login: Make,
    manager_of: ManagerOf,
    superuser: psycopg.Connection[Any],
    memberships: tuple[str, ...],
    options: str,
    reason: str,
) -> None:
    login = make_login(*memberships, options=options)
    with pytest.raises(PrivilegedLogin, match="could see all organisations") as refused:
        use(manager_of(login, require_unprivileged=True))
    assert refused.value.reasons == (reason,)
    assert refused.value.login == login
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301

    for command in refused.value.commands:
        if not command.startswith("or "):
            superuser.execute(command.encode())

    assert use(manager_of(login, require_unprivileged=True)) is None


def test_who_only_lets_others_in_acts_as_nobody(
    make_login: Make, manager_of: ManagerOf, superuser: psycopg.Connection[Any]
) -> None:
    """Whoever makes a role may grant it, from PostgreSQL 16 on, and so is a member of it."""
    if superuser.info.server_version < 160_000:
        pytest.skip("before PostgreSQL 16 each member may act as the role")
    login = make_login(options="CREATEROLE")
    only = "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
    superuser.execute(f"GRANT axai_owner, axai_system, axai_app TO {login} {only}")
    with pytest.raises(ConfigurationError, match=f'axai_app: GRANT axai_app TO "{login}"'):
        use(manager_of(login, require_unprivileged=True))

    with psycopg.connect(superuser.info.dsn, user=login, autocommit=True) as own:
        grant_login(own, login)

    assert use(manager_of(login, require_unprivileged=True)) is None
    superuser.execute(f"GRANT axai_system TO {login} WITH INHERIT TRUE")
    with pytest.raises(PrivilegedLogin) as refused:
        use(manager_of(login, require_unprivileged=True))
    assert refused.value.reasons == ("it is a member of axai_system",)
    superuser.execute(f"REVOKE axai_app FROM {login} CASCADE")


def test_the_owner_of_a_table_is_privileged(
    make_login: Make, manager_of: ManagerOf, superuser: psycopg.Connection[Any]
) -> None:
    login = make_login("axai_app")
    superuser.execute(f"ALTER TABLE topics OWNER TO {login}")

    with pytest.raises(PrivilegedLogin, match=f'REASSIGN OWNED BY "{login}" TO axai_owner') as no:
        use(manager_of(login, require_unprivileged=True))
    superuser.execute(no.value.commands[0].encode())

    assert no.value.reasons == ("it owns the tables",)
    assert use(manager_of(login, require_unprivileged=True)) is None


def test_a_privileged_login_is_warned_of_once_and_kept_apart(manager_of: ManagerOf) -> None:
    manager = manager_of("postgres")

    with pytest.warns(PrivilegedLoginUsed, match="it is a superuser.*acts as axai_app"):
        use(manager)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with manager.session_scope() as session:
            assert session.scalar(text("SELECT current_user")) == "axai_app"
            with pytest.raises(OrganizationRequired):
                session.scalar(select(Organization.id))


def test_a_warning_that_is_an_error_leaves_nothing_open(manager_of: ManagerOf) -> None:
    manager = manager_of("postgres")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PrivilegedLoginUsed):
            use(manager)

    assert use(manager) is None


def test_a_login_that_may_not_act_as_a_service_is_told_how(
    make_login: Make, manager_of: ManagerOf
) -> None:
    login = make_login()

    with pytest.raises(ConfigurationError, match=f'axai_app: GRANT axai_app TO "{login}"'):
        use(manager_of(login))


def test_a_role_that_is_not_there_is_named() -> None:
    login = Login("ana", False, False, False, (), frozenset(), frozenset())  # noqa: FBT003

    with pytest.raises(ConfigurationError, match="there is no role axai_app: set the database up"):
        login.refuse_unless("axai_app")


def test_a_connection_is_asked_once(manager: DatabaseManager) -> None:
    asked = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append("pg_auth_members" in statement)

    event.listen(manager._engine, "before_cursor_execute", note)
    for _ in range(3):
        use(manager)

    assert sum(asked) == 1
    assert len(asked) == 5  # and the first scope sets its keys with one, the others with BEGIN
