"""Attacks that a login makes: what its session, its pool and its server keep from one to the next.

The login is a real one, a member of the role of services, so nothing helps it that helps the
tests elsewhere. What is said not to be protected is shown here as well, so that it stays true.
"""

from __future__ import annotations

import ast
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors

import axai_pg

if TYPE_CHECKING:
    from tests.isolation.logins import Login
    from tests.isolation.scene import Organisation

pytestmark = [pytest.mark.integration, pytest.mark.db]

DOCUMENTS = "SELECT id FROM documents"
STATISTICS = "SELECT FROM pg_stats WHERE tablename = 'documents'"
SET = "SELECT set_config('axai.org_id', %s, true)"


@pytest.fixture
def ours(organisations: tuple[Organisation, Organisation]) -> Organisation:
    return organisations[0]


@pytest.fixture
def theirs(organisations: tuple[Organisation, Organisation]) -> Organisation:
    return organisations[1]


def documents(connection: psycopg.Connection[Any]) -> list[uuid.UUID]:
    return [key for (key,) in connection.execute(DOCUMENTS).fetchall()]


def test_a_context_ends_with_its_transaction(login: Login, ours: Organisation) -> None:
    with login.connected() as connection:
        for end in (connection.commit, connection.rollback):
            login.act(connection, ours)
            assert documents(connection) == [ours.keys["documents"]]
            end()

            # What is left is an empty text, which is no UUID: it has to count as nothing.
            assert connection.execute("SELECT current_setting('axai.org_id')").fetchone() == ("",)
            assert documents(connection) == []


def test_a_context_without_a_transaction_is_none(login: Login, ours: Organisation) -> None:
    with login.connected(autocommit=True) as connection:
        login.act(connection, ours)

        assert documents(connection) == []


def test_a_context_that_is_no_uuid_is_an_error(login: Login) -> None:
    with login.connected() as connection:
        connection.execute(SET, ["x' OR true"])

        with pytest.raises(errors.InvalidTextRepresentation):
            documents(connection)


def test_no_context_is_set_for_a_session() -> None:
    """Set for a session, it would stay on a connection of the pool."""
    package = Path(axai_pg.__file__).parent
    texts = [
        node.value.lower()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [path.read_text(encoding="utf-8").lower() for path in package.rglob("*.sql")]

    assert any("set_config(" in text for text in texts)
    assert not [
        text for text in texts if re.search(r"set (session |local )?axai\.\w+ ?(=|to)", text)
    ]
    for text in texts:
        calls = text.split("set_config(")[1:]
        assert not [call for call in calls if ", false)" in call.partition("\n")[0]]


def test_a_released_savepoint_keeps_the_context_it_set(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: so a scope of ours in another organisation has to be refused by its API."""
    with login.connected() as connection:
        login.act(connection, ours)
        with connection.transaction():
            login.act(connection, theirs)

        assert documents(connection) == [theirs.keys["documents"]]


@pytest.mark.parametrize(
    "statement",
    [
        "SET SESSION AUTHORIZATION axai_owner",
        "SET SESSION AUTHORIZATION axai_system",
        "SET LOCAL ROLE axai_owner",
        "SET LOCAL ROLE axai_system",
        "SET LOCAL ROLE axai_search",
        "GRANT axai_owner TO CURRENT_USER",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER ROLE axai_app BYPASSRLS",
        "ALTER DEFAULT PRIVILEGES FOR ROLE axai_owner GRANT SELECT ON TABLES TO PUBLIC",
    ],
)
def test_a_login_does_not_become_somebody_else(login: Login, statement: str) -> None:
    with login.connected() as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_statements_prepared_in_one_organisation_are_right_in_another(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    with login.connected() as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute("PREPARE found AS SELECT id FROM documents")
        connection.commit()
        for organisation in (ours, theirs) * 8:
            login.act(connection, organisation)
            wanted = [organisation.keys["documents"]]
            by_name = connection.execute("EXECUTE found").fetchall()
            by_driver = connection.execute(DOCUMENTS, prepare=True).fetchall()
            connection.commit()

            assert [key for (key,) in by_name] == [key for (key,) in by_driver] == wanted
        assert connection.execute("EXECUTE found").fetchall() == []


def test_a_cursor_that_outlives_its_transaction_has_what_it_found(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: so nothing here declares one WITH HOLD; any other ends in time."""
    with login.connected() as connection:
        login.act(connection, ours)
        connection.execute("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM documents")
        connection.execute("DECLARE ended CURSOR FOR SELECT id FROM documents")
        connection.commit()
        login.act(connection, theirs)

        assert connection.execute("FETCH ALL FROM held").fetchall() == [(ours.keys["documents"],)]
        with pytest.raises(errors.InvalidCursorName):
            connection.execute("FETCH ALL FROM ended")
    package = Path(axai_pg.__file__).parent
    assert not [
        path for path in package.rglob("*.py") if "with hold" in path.read_text("utf-8").lower()
    ]


def test_statistics_show_no_values_of_others(
    attacked_url: str, login: Login, ours: Organisation
) -> None:
    with psycopg.connect(attacked_url, autocommit=True) as connection:
        connection.execute("ANALYZE documents")
        assert connection.execute(STATISTICS).rowcount > 0
    with login.connected() as connection:
        login.act(connection, ours)

        assert (
            connection.execute("SELECT FROM pg_stats WHERE tablename = 'documents'").rowcount == 0
        )
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT FROM pg_statistic")


def test_sizes_and_plans_are_those_of_all(login: Login, ours: Organisation) -> None:
    """Not protected: how much there is of everything can be seen, of nobody in particular."""
    with login.connected() as connection:
        login.act(connection, ours)
        size = connection.execute("SELECT pg_relation_size('documents')").fetchone()
        plan = connection.execute("EXPLAIN SELECT FROM documents").fetchall()

        assert size is not None
        assert size[0] > 0
        assert "rows=" in plan[0][0]


def test_statements_of_others_are_seen_without_their_values(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: the text of a statement; so values are bound, and never part of one."""
    secret = uuid.uuid4().hex
    with login.connected() as other, login.connected() as connection:
        login.act(other, theirs)
        other.execute("SELECT id FROM documents WHERE title = %s", [secret])
        login.act(connection, ours)
        seen = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = %s", [other.info.backend_pid]
        ).fetchall()

        assert seen == [("SELECT id FROM documents WHERE title = $1",)]


def test_notifications_reach_all_organisations(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: a channel is the database's; so a payload has nothing to hide."""
    with login.connected(autocommit=True) as listener, login.connected() as notifier:
        listener.execute("LISTEN changes")
        login.act(notifier, theirs)
        notifier.execute("SELECT pg_notify('changes', 'of theirs')")
        notifier.commit()
        listener.execute("SELECT 1")

        assert [each.payload for each in listener.notifies(timeout=0)] == ["of theirs"]


def test_large_objects_belong_to_the_login(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: no policy is on them; so nothing is kept in one."""
    with login.connected() as connection:
        login.act(connection, theirs)
        made = connection.execute("SELECT lo_from_bytea(0, 'of theirs')").fetchone()
        assert made is not None
        login.act(connection, ours)

        assert connection.execute("SELECT lo_get(%s)", made).fetchone() == (b"of theirs",)
    package = Path(axai_pg.__file__).parent
    texts = [path.read_text("utf-8") for path in (*package.rglob("*.sql"), *package.rglob("*.py"))]
    assert not [text for text in texts if "lo_from_bytea" in text or "lo_create" in text]


def test_organisations_do_not_wait_for_each_other(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Advisory locks are the database's; those of the schema are of one organisation."""
    with login.connected() as first, login.connected() as second:
        second.execute("SET lock_timeout = '5s'")
        for connection, organisation in ((first, ours), (second, theirs)):
            login.act(connection, organisation)
            connection.execute(
                "INSERT INTO topics (name, parent_topic_id) SELECT 'below', id FROM topics"
            )
        held = first.execute(
            "SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()

    assert len({number for _, number in held}) == len({pid for pid, _ in held}) == 2


def test_whoever_may_say_any_sql_may_say_whose_it_is(
    login: Login, ours: Organisation, theirs: Organisation
) -> None:
    """Not protected: the context is no credential; so no text of a caller becomes SQL."""
    with login.connected() as connection:
        login.act(connection, ours)
        login.act(connection, theirs)

        assert documents(connection) == [theirs.keys["documents"]]
