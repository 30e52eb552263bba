"""One connection and its transaction: what is left when either is gone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from andamios_orm.dialect.calls import Call, Further
from andamios_orm.dialect.channel import Channel
from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.gate import Owner, WaitGraph
from andamios_orm.dialect.options import parse_options
from andamios_orm.exceptions import (
    CommitOutcomeUnknown,
    DatabaseClosed,
    DuplicateKey,
    MissingTable,
    StatementTimeout,
    TransactionAborted,
    ValueRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]

PATIENCE = 20.0
HALF_A_PAIR = "\ud800"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DuckDBDatabase]:
    """Yield a database on a file that no registry knows of, with an empty table ``t``."""
    options = parse_options({"hardened": "false", "checkpoint_threshold": "1KB"})
    database = DuckDBDatabase(
        tmp_path / "file.duckdb", "", options, WaitGraph(), when_unused=lambda _: None
    )
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t (n BIGINT)")
    yield database
    database.close()


@pytest.fixture
def channel(database: DuckDBDatabase) -> Iterator[Channel]:
    """Yield a channel to the database."""
    channel = Channel(database)
    yield channel
    channel.close()


def call(text: str, params: Any = None, **more: Any) -> Call:
    return Call(text, params, Owner.of_thread(), **more)


def count(database: DuckDBDatabase) -> int:
    with database.raw() as raw:
        [(value,)] = raw.execute("SELECT count(*) FROM t").fetchall()
    return int(value)


# ---- statements --------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["", "-- a comment"])
def test_a_text_without_a_statement_does_nothing(channel: Channel, nothing: str) -> None:
    reply = channel.execute(call(nothing))

    assert (reply.description, reply.rows, reply.rowcount) == (None, [], -1)


def test_a_value_that_is_no_text_is_named(channel: Channel) -> None:
    with pytest.raises(ValueRefused, match="surrogate"):
        channel.execute(call("SELECT $1", [HALF_A_PAIR]))


def test_a_value_of_a_call_on_the_raw_connection_is_the_drivers_to_refuse(channel: Channel) -> None:
    with pytest.raises(RuntimeError, match="Unable to cast"):
        channel.run(lambda raw: raw.execute("SELECT ?", [HALF_A_PAIR]), call("raw"))


# ---- streams -----------------------------------------------------------------


def test_rows_that_were_kept_outlive_their_connection(channel: Channel) -> None:
    reply = channel.execute(call("SELECT * FROM range(5)", batch=2))
    assert reply.rest is not None
    channel.execute(call("SELECT 1"))
    channel.renew()

    rest = channel.fetch(reply.rest, 10, call("FETCH"))

    assert [*reply.rows, *rest] == [(n,) for n in range(5)]


@pytest.mark.parametrize("connection", ["kept", "gone"])
def test_rows_that_were_not_kept_end_with_their_transaction(
    channel: Channel, connection: str
) -> None:
    reply = channel.execute(call("SELECT * FROM range(5)", batch=2))
    assert reply.rest is not None
    channel.rollback()
    if connection == "gone":
        channel.renew()

    with pytest.raises(TransactionAborted, match="before all rows were read"):
        channel.fetch(reply.rest, 10, call("FETCH"))

    assert channel.execute(call("SELECT 1")).rows == [(1,)]


# ---- writes that commit by themselves ------------------------------------------

LONG = 500_000
"""Rows of one statement that is long enough to be stopped in its midst."""


@pytest.mark.parametrize("form", ["one", "many"])
@pytest.mark.slow
def test_a_write_that_commits_by_itself_is_stored_or_fails(
    database: DuckDBDatabase, channel: Channel, form: str, rounds: Callable[..., int]
) -> None:
    def write(timeout: float) -> Call:
        if form == "many":
            values = [[n] for n in range(200)]
            return call("INSERT INTO t VALUES ($1)", values, many=True, timeout=timeout, **alone)
        return call(f"INSERT INTO t FROM range({LONG})", timeout=timeout, **alone)

    alone = {"autocommit": True}
    began = time.perf_counter()
    channel.execute(write(60.0))
    took = time.perf_counter() - began
    outcomes = set()

    for number in range(rounds(40, 200, 1000)):
        before = count(database)
        try:
            channel.execute(write(took * (number % 40) / 20))
        except StatementTimeout:
            outcomes.add("failed")
            assert count(database) == before
        else:
            outcomes.add("stored")
            assert count(database) > before
        assert database.gate.holder is None

    assert "failed" in outcomes


def test_a_commit_that_breaks_is_told_where_a_write_commits_by_itself(
    database: DuckDBDatabase, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, raw: duckdb.DuckDBPyConnection) -> Any:
        if text == "COMMIT":
            raise duckdb.FatalException("FATAL Error: database has been invalidated")
        return own(text, raw)

    own = database.statements.own
    monkeypatch.setattr(database.statements, "own", broken)
    with pytest.raises(CommitOutcomeUnknown, match="may or may not have happened"):
        channel.execute(call("INSERT INTO t VALUES (1)", autocommit=True))
    monkeypatch.undo()

    assert database.gate.holder is None
    channel.execute(call("INSERT INTO t VALUES (2)", autocommit=True))
    assert count(database) == 1


def test_a_stream_outlives_a_write_that_commits_by_itself(
    database: DuckDBDatabase, channel: Channel
) -> None:
    reply = channel.execute(call("SELECT * FROM range(5)", batch=2, autocommit=True))
    assert reply.rest is not None

    channel.execute(call("INSERT INTO t VALUES (1)", autocommit=True))

    rest = channel.fetch(reply.rest, 10, call("FETCH"))
    assert [*reply.rows, *rest] == [(n,) for n in range(5)]
    assert count(database) == 1


# ---- calls on the raw connection ---------------------------------------------


def test_a_raw_call_that_commits_by_itself_leaves_the_gate(
    database: DuckDBDatabase, channel: Channel
) -> None:
    channel.run(lambda raw: raw.execute("INSERT INTO t VALUES (1)"), call("raw", autocommit=True))

    assert database.gate.holder is None
    assert count(database) == 1


def test_a_raw_call_that_commits_by_itself_and_fails_poisons_nothing(
    database: DuckDBDatabase, channel: Channel
) -> None:
    with pytest.raises(MissingTable):
        channel.run(lambda raw: raw.execute("DROP TABLE missing"), call("raw", autocommit=True))

    assert database.gate.holder is None
    assert channel.execute(call("SELECT 1")).rows == [(1,)]


def test_a_transaction_whose_connection_its_user_closed_can_be_rolled_back(
    database: DuckDBDatabase, channel: Channel
) -> None:
    channel.execute(call("INSERT INTO t VALUES (1)"))
    channel.run(lambda raw: raw.close(), call("raw"))

    channel.rollback()

    assert channel.execute(call("SELECT count(*) FROM t")).rows == [(0,)]
    assert database.gate.holder is None


def test_no_transaction_begins_on_a_connection_that_its_user_closed(channel: Channel) -> None:
    channel.execute(call("SELECT 1"))
    channel.rollback()
    channel.run(lambda raw: raw.close(), call("raw", autocommit=True))

    with pytest.raises(duckdb.ConnectionException):
        channel.execute(call("SELECT 1"))
    channel.rollback()
    channel.renew()

    assert channel.execute(call("SELECT 1")).rows == [(1,)]


# ---- what runs at commit -------------------------------------------------------


class Refused(Exception):
    """What a look at the rows raises here."""


def refuse(rows: list[Any]) -> None:
    raise Refused(rows)


def test_what_runs_at_commit_is_part_of_the_transaction(
    database: DuckDBDatabase, channel: Channel
) -> None:
    seen: list[Any] = []
    channel.execute(call("INSERT INTO t VALUES (1)"))

    channel.commit(
        [
            call("INSERT INTO t VALUES ($1)", [[2], [3]], many=True),
            call("-- nothing"),
            call("SELECT n FROM t ORDER BY n", at_commit=seen.append),
        ]
    )

    assert seen == [[(1,), (2,), (3,)]]
    assert count(database) == 3


def test_a_look_may_ask_for_more(database: DuckDBDatabase, channel: Channel) -> None:
    seen: list[Any] = []

    def look(rows: list[Any]) -> Further:
        return Further("SELECT n + $1 FROM t", [rows[0][0]], seen.append)

    channel.execute(call("INSERT INTO t VALUES (1)"))
    channel.commit(
        [
            call("SELECT 41", at_commit=look),
            call("SELECT 'after'", at_commit=seen.append),
        ]
    )

    assert seen == [[(42,)], [("after",)]]
    assert count(database) == 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("last", "error"),
    [
        (lambda: call("SELECT 1", at_commit=refuse), Refused),
        (lambda: call("SELECT * FROM missing"), MissingTable),
        (lambda: call("SELEC"), duckdb.ParserException),
        (lambda: call("INSERT INTO u VALUES (1)"), DuplicateKey),
    ],
)
def test_what_fails_at_commit_undoes_everything(
    database: DuckDBDatabase, channel: Channel, last: Callable[[], Call], error: type[Exception]
) -> None:
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE u (n BIGINT PRIMARY KEY); INSERT INTO u VALUES (1)")
    channel.execute(call("INSERT INTO t VALUES (1)"))

    with pytest.raises(error):
        channel.commit([call("INSERT INTO t VALUES (2)"), last()])

    assert count(database) == 0
    assert database.gate.holder is None
    channel.execute(call("INSERT INTO t VALUES (3)"))
    channel.commit()
    assert count(database) == 1


@pytest.mark.slow
def test_what_runs_at_commit_is_not_interrupted(database: DuckDBDatabase, channel: Channel) -> None:
    slow = call("SELECT count(*) FROM range(30000000) r(i) WHERE i % 7 = 3", timeout=0.01)
    channel.execute(call("INSERT INTO t VALUES (1)"))
    stopping = threading.Event()

    def interrupt() -> None:
        while not stopping.wait(0.001):
            channel.interrupt()
            channel.cancel(slow)

    thread = threading.Thread(target=interrupt)
    thread.start()
    channel.commit([slow])
    stopping.set()
    thread.join()

    assert count(database) == 1


# ---- commits -----------------------------------------------------------------


def test_a_commit_of_nothing_lets_the_next_writer_in(
    database: DuckDBDatabase, channel: Channel
) -> None:
    commits = database.commits
    channel.commit()

    assert database.commits == commits
    assert database.gate.holder is None


def test_a_transaction_whose_connection_was_taken_away_is_lost_whole(
    database: DuckDBDatabase, channel: Channel
) -> None:
    channel.execute(call("INSERT INTO t VALUES (1)"))
    channel.detach()

    with pytest.raises(TransactionAborted, match="lost whole"):
        channel.commit()

    assert count(database) == 0
    assert database.gate.holder is None


def test_a_commit_whose_connection_its_user_closed_is_not_acknowledged(
    database: DuckDBDatabase, channel: Channel
) -> None:
    channel.execute(call("INSERT INTO t VALUES (1)"))
    channel.run(lambda raw: raw.close(), call("raw"))

    with pytest.raises(CommitOutcomeUnknown):
        channel.commit()

    assert database.gate.holder is None


def test_a_checkpoint_over_which_the_instance_broke_costs_no_commit(
    database: DuckDBDatabase, channel: Channel
) -> None:
    channel.execute(call("SET GLOBAL debug_checkpoint_abort='before_header'"))
    channel.commit()
    channel.execute(call("INSERT INTO t FROM range(100000)"))

    channel.commit()

    assert database.state == "invalid"
    assert database.gate.holder is None
    assert channel.execute(call("SELECT count(*) FROM t")).rows == [(100_000,)]
    assert database.epoch == 1


# ---- closing -----------------------------------------------------------------


def test_a_closed_channel_runs_nothing(channel: Channel) -> None:
    channel.close()

    with pytest.raises(DatabaseClosed, match="the connection was closed"):
        channel.execute(call("SELECT 1"))


def test_a_channel_may_be_closed_twice(database: DuckDBDatabase, channel: Channel) -> None:
    channel.close()
    channel.close()

    assert channel not in database.channels


def test_a_connection_that_is_busy_for_too_long_is_not_closed_from_outside(
    database: DuckDBDatabase, channel: Channel
) -> None:
    busy, over = threading.Event(), threading.Event()

    def write(raw: duckdb.DuckDBPyConnection) -> None:
        busy.set()
        assert over.wait(PATIENCE)
        raw.execute("INSERT INTO t VALUES (1)")

    thread = threading.Thread(target=channel.run, args=(write, call("raw")))
    thread.start()
    assert busy.wait(PATIENCE)
    channel.detach(patience=0.01)
    over.set()
    thread.join(PATIENCE)
    channel.commit()

    assert count(database) == 1
