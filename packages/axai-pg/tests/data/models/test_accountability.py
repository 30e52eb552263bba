from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from axai_pg.testing.rows import insert_row, insert_rows, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def app(connect: Any, shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(shared_url, "postgres", uuid.uuid4()) as connection:
        connection.execute("SET LOCAL ROLE axai_app")
        yield connection


def context(connection: psycopg.Connection[Any]) -> uuid.UUID:
    [(found,)] = connection.execute("SELECT current_setting('axai.org_id')::uuid").fetchall()
    return uuid.UUID(str(found))


def read_log(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    """Return what an operator finds."""
    connection.execute("SET LOCAL ROLE axai_system")
    found = connection.execute(query).fetchall()
    connection.execute("SET LOCAL ROLE axai_app")
    return found


@pytest.mark.slow
def test_each_change_of_each_table_is_in_the_log(app: psycopg.Connection[Any]) -> None:
    user_id = uuid.uuid4()
    app.execute("SELECT set_config('axai.user_id', %s, true)", [str(user_id)])
    keys = insert_rows(app, context(app))
    tables = ["organizations", *(table.name for table in tenant_tables(app))]
    for name in tables:
        app.execute(sql.SQL("UPDATE {} SET id = id").format(sql.Identifier(name)))
    for name in reversed(tables):
        app.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))

    found = read_log(
        app,
        "SELECT table_name, action, row_id, org_id, actor_id, login FROM audit_log"
        f" WHERE org_id = '{context(app)}'",
    )

    for name, key in keys.items():
        for action in ("insert", "update", "delete"):
            assert (name, action, key, context(app), user_id, "postgres") in found


def test_an_update_names_the_columns_and_keeps_no_values(app: psycopg.Connection[Any]) -> None:
    insert_rows(app, context(app))
    app.execute("UPDATE users SET email = 'secret@example.org'")

    [(columns,)] = read_log(
        app,
        "SELECT columns FROM audit_log WHERE action = 'update' AND table_name = 'users'"
        f" AND org_id = '{context(app)}'",
    )
    [(text,)] = read_log(app, "SELECT string_agg(audit_log::text, '') FROM audit_log")

    assert columns == ["email"]
    assert "secret" not in text


def test_what_is_rolled_back_leaves_no_entry(app: psycopg.Connection[Any]) -> None:
    with app.transaction(force_rollback=True):
        insert_rows(app, context(app))

    assert read_log(app, f"SELECT FROM audit_log WHERE org_id = '{context(app)}'") == []


@pytest.mark.sampled(8)
@pytest.mark.parametrize("table", ["audit_log", "audit_seals"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} (org_id) VALUES (gen_random_uuid())",
        "UPDATE {} SET id = id",
        "DELETE FROM {}",
        "TRUNCATE {}",
    ],
)
@pytest.mark.parametrize("role", ["axai_app", "axai_system", "axai_audit_reader", "axai_migrate"])
def test_nobody_rewrites_the_log(
    connect: Any, shared_url: str, role: str, statement: str, table: str
) -> None:
    with connect(shared_url, role) as connection:
        if role == "axai_migrate":
            connection.execute("SET LOCAL ROLE axai_system")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL(statement).format(sql.Identifier(table)))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET id = id", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_a_grant_by_mistake_does_not_open_the_log(
    connect: Any, shared_url: str, statement: str
) -> None:
    with connect(shared_url, "postgres", uuid.uuid4()) as connection:
        connection.execute("GRANT ALL ON audit_log TO axai_system")
        insert_rows(connection, context(connection))
        connection.execute("SET LOCAL ROLE axai_system")

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)


def test_an_auditor_reads_the_log_of_one_organisation(connect: Any, shared_url: str) -> None:
    with connect(shared_url, "postgres", uuid.uuid4()) as connection:
        for org_id in (uuid.uuid4(), context(connection)):
            insert_rows(connection, org_id)
        connection.execute("SET LOCAL ROLE axai_audit_reader")

        found = connection.execute("SELECT DISTINCT org_id FROM audit_log").fetchall()
        assert found == [(context(connection),)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM users")


def test_what_is_no_change_is_noted(app: psycopg.Connection[Any]) -> None:
    app.execute("SELECT axai_note('export', '{\"rows\": 3}')")

    [found] = read_log(
        app, f"SELECT action, details, table_name FROM audit_log WHERE org_id = '{context(app)}'"
    )

    assert found == ("export", {"rows": 3}, None)
    app.execute("SELECT set_config('axai.org_id', '', true)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no organisation in context"):
        app.execute("SELECT axai_note('export')")


def test_what_an_operator_does_is_noted_beside_all_organisations(
    app: psycopg.Connection[Any],
) -> None:
    app.execute("SET LOCAL ROLE axai_system")
    app.execute("SELECT axai_note_operation('within')")
    app.execute("SELECT set_config('axai.org_id', '', true)")
    app.execute("SELECT axai_note_operation('beside')")

    found = dict(read_log(app, "SELECT action, org_id FROM audit_log WHERE action LIKE '%side'"))
    within = read_log(app, "SELECT org_id FROM audit_log WHERE action = 'within'")

    assert found == {"beside": uuid.UUID(int=0)}
    assert within[0][0] != uuid.UUID(int=0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("SELECT axai_note_operation('x')")


@pytest.fixture
def sealed(
    schema_url: str,
) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection to a database with an organisation whose log is sealed twice."""
    with psycopg.connect(schema_url.replace("+psycopg", ""), autocommit=True) as connection:
        org_id = uuid.uuid4()
        connection.execute("SELECT set_config('axai.org_id', %s, false)", [str(org_id)])
        keys = insert_rows(connection, org_id)
        assert sealed_rows(connection) == len(keys)
        table = next(each for each in tenant_tables(connection) if each.name == "topics")
        insert_row(connection, table, org_id, keys)
        insert_rows(connection, uuid.uuid4())
        assert sealed_rows(connection) == 1
        yield connection


def sealed_rows(connection: psycopg.Connection[Any], *, wait: bool = True) -> int:
    """Seal, when no transaction is running that is older than the last entry."""
    over = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > max(transaction_id)
    FROM audit_log WHERE org_id = current_setting('axai.org_id')::uuid
    """
    while wait and connection.execute(over).fetchone() == (False,):
        time.sleep(0.01)
    [(count,)] = connection.execute("SELECT axai_seal_audit()").fetchall()
    return int(count)


def broken(connection: psycopg.Connection[Any]) -> list[int]:
    found = connection.execute("SELECT * FROM axai_broken_seals()").fetchall()
    return [number for (number,) in found]


def test_what_is_sealed_is_sealed_once(sealed: psycopg.Connection[Any]) -> None:
    assert sealed_rows(sealed) == 0
    assert broken(sealed) == []
    assert sealed.execute("SELECT number FROM audit_seals ORDER BY 1").fetchall() == [(1,), (2,)]


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit_log SET actor_id = gen_random_uuid() WHERE action = 'insert'", [1, 2]),
        ("UPDATE audit_log SET columns = '{}' WHERE table_name = 'users'", [1]),
        ("UPDATE audit_log SET occurred_at = occurred_at - interval '1 s'", [1, 2]),
        ("DELETE FROM audit_log WHERE table_name = 'users'", [1]),
        ("UPDATE audit_seals SET digest = 'x' WHERE number = 1", [1, 2]),
        ("DELETE FROM audit_seals WHERE number = 1", [1, 2]),
        (
            """INSERT INTO audit_log (org_id, action, occurred_at, transaction_id)
            SELECT org_id, 'forged', occurred_at, transaction_id FROM audit_log LIMIT 1""",
            [1],
        ),
    ],
)
def test_a_seal_tells_what_was_tampered_with(
    sealed: psycopg.Connection[Any], statement: str, found: list[int]
) -> None:
    sealed.execute("SET session_replication_role = replica")  # as somebody who can do anything
    org_id = context(sealed)
    place = " WHERE " if " WHERE " not in statement else " AND "
    if statement.startswith(("UPDATE", "DELETE")):
        statement += f"{place}org_id = '{org_id}'"
    else:
        statement = statement.replace(" LIMIT", f" WHERE org_id = '{org_id}' LIMIT")

    sealed.execute(statement)

    assert broken(sealed)[: len(found)] == found


def test_a_transaction_that_is_still_running_is_sealed_later(
    sealed: psycopg.Connection[Any], schema_url: str
) -> None:
    with psycopg.connect(schema_url.replace("+psycopg", "")) as other:
        other.execute("SELECT set_config('axai.org_id', %s, true)", [str(context(sealed))])
        other.execute("SELECT axai_note('late')")
        sealed.execute("SELECT axai_note('early')")
        before = sealed_rows(sealed, wait=False)
    after = sealed_rows(sealed)

    assert (before, after) == (0, 2)
    assert broken(sealed) == []


def test_transactions_that_are_counted_anew_are_sealed_as_well(
    sealed: psycopg.Connection[Any],
) -> None:
    """As after a restore into another cluster, whose numbers are lower."""
    sealed.execute("SET session_replication_role = replica")
    sealed.execute("UPDATE audit_seals SET upto = upto + 1000000000")
    sealed.execute("SET session_replication_role = origin")
    sealed.execute("SELECT axai_note('after')")

    assert sealed_rows(sealed) == 1
    assert broken(sealed) == []


@pytest.mark.slow
def test_seals_stay_in_order_when_the_clock_is_set_back(
    sealed: psycopg.Connection[Any],
) -> None:
    sealed.execute("SET session_replication_role = replica")
    sealed.execute("UPDATE audit_seals SET sealed_at = sealed_at + interval '1 h' WHERE number = 2")
    sealed.execute("SET session_replication_role = origin")
    sealed.execute("SELECT axai_note('after')")

    assert sealed_rows(sealed) == 1
    assert broken(sealed) == []


def test_nothing_is_sealed_or_pruned_without_an_organisation(
    sealed: psycopg.Connection[Any],
) -> None:
    sealed.execute("SELECT set_config('axai.org_id', '', false)")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no organisation in context"):
        sealed_rows(sealed, wait=False)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no organisation in context"):
        prune(sealed)


def prune(connection: psycopg.Connection[Any], until: str = "infinity") -> int:
    """Delete what is sealed until then, as the owner."""
    connection.execute("SET ROLE axai_owner")
    try:
        [(count,)] = connection.execute("SELECT axai_prune_audit(%s)", [until]).fetchall()
    finally:
        connection.execute("RESET ROLE")
    return int(count)


def entries(connection: psycopg.Connection[Any]) -> list[tuple[str, Any]]:
    found = connection.execute(
        "SELECT action, details FROM audit_log WHERE org_id = %s ORDER BY id", [context(connection)]
    )
    return found.fetchall()


def test_what_was_pruned_is_not_broken(sealed: psycopg.Connection[Any]) -> None:
    gone = prune(sealed)
    left = entries(sealed)
    sealed_again = sealed_rows(sealed)

    assert left == [("prune", {"seal": 2, "entries": gone})]
    assert gone > 1
    assert (sealed_again, broken(sealed)) == (1, [])
    assert sealed.execute(
        "SELECT number, pruned_at IS NOT NULL FROM audit_seals ORDER BY 1"
    ).fetchall() == [(1, True), (2, True), (3, False)]
    assert prune(sealed, "2000-01-01") == 0
    assert prune(sealed) == 1


def test_only_whole_seals_are_pruned(sealed: psycopg.Connection[Any]) -> None:
    [(first,)] = sealed.execute("SELECT sealed_at FROM audit_seals WHERE number = 1").fetchall()

    assert prune(sealed, "2000-01-01") == 0
    assert prune(sealed, str(first)) > 1
    assert [action for action, _ in entries(sealed)] == ["insert", "prune"]
    assert broken(sealed) == []


@pytest.mark.sampled(7)
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit_log SET actor_id = gen_random_uuid() WHERE org_id = %s", [2]),
        ("DELETE FROM audit_log WHERE org_id = %s", [2]),
        (
            """INSERT INTO audit_log (org_id, action, occurred_at, transaction_id)
            SELECT org_id, 'forged', sealed_at, upto - 1 FROM audit_seals
            WHERE number = 1 AND org_id = %s""",
            [1],
        ),
        ("UPDATE audit_seals SET digest = 'x' WHERE number = 1 AND org_id = %s", [2]),
        ("UPDATE audit_seals SET pruned_at = NULL WHERE org_id = %s", [1]),
        ("UPDATE audit_seals SET pruned_at = now() WHERE number = 2 AND org_id = %s", [2]),
        (
            """UPDATE audit_seals SET pruned_at = CASE number WHEN 2 THEN now() END
            WHERE org_id = %s""",
            [1, 2],
        ),
    ],
)
def test_what_is_tampered_with_after_pruning_is_found(
    sealed: psycopg.Connection[Any], statement: str, found: list[int]
) -> None:
    [(first,)] = sealed.execute("SELECT sealed_at FROM audit_seals WHERE number = 1").fetchall()
    prune(sealed, str(first))
    sealed.execute("SET session_replication_role = replica")

    sealed.execute(statement, [context(sealed)])

    assert broken(sealed) == found


def test_what_is_broken_is_not_pruned(sealed: psycopg.Connection[Any]) -> None:
    sealed.execute("SET session_replication_role = replica")
    sealed.execute("DELETE FROM audit_log WHERE table_name = 'users'")
    sealed.execute("SET session_replication_role = origin")

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="seal 1 is broken"):
        prune(sealed)


@pytest.mark.parametrize("role", ["axai_app", "axai_system", "axai_audit_reader"])
def test_nobody_but_the_owner_prunes(connect: Any, shared_url: str, role: str) -> None:
    with (
        connect(shared_url, role, uuid.uuid4()) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT axai_prune_audit(now())")


READ = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables
WHERE relname = 'audit_log'
"""


def test_the_log_is_read_once_however_many_seals_there_are(
    sealed: psycopg.Connection[Any],
) -> None:
    sealed.execute("SET session_replication_role = replica")
    sealed.execute(
        """DO $$ BEGIN
            FOR number IN 1..50 LOOP
                INSERT INTO audit_log (org_id, action, transaction_id)
                SELECT current_setting('axai.org_id')::uuid, 'one of four', 3
                FROM generate_series(1, 4);
                PERFORM axai_seal_audit();
            END LOOP;
        END $$"""
    )
    [(count, seals)] = sealed.execute(
        "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) FROM audit_seals)"
    ).fetchall()

    with sealed.transaction():
        [(before,)] = sealed.execute(READ).fetchall()
        found = broken(sealed)
        [(after,)] = sealed.execute(READ).fetchall()

    assert (found, seals) == ([], 52)
    assert 0 < after - before <= count
    sealed.execute(
        "UPDATE audit_log SET login = 'x' WHERE id = (SELECT id FROM audit_log"
        " WHERE action = 'one of four' ORDER BY id DESC LIMIT 1)"
    )
    assert broken(sealed) == [52]
