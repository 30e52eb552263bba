"""What a checkpoint that was cut short has overwritten, and what puts it back."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from andamios_orm.dialect.checkpoints import Checkpoints
from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.gate import WaitGraph
from andamios_orm.dialect.journal import HEADERS, Journal
from andamios_orm.dialect.options import parse_options

pytestmark = [pytest.mark.integration, pytest.mark.db]

BLOCK = 262_144
PAGE = 4096
MORE = "INSERT INTO t SELECT i, 'more ' || i FROM range(500, 900) r(i)"


class Torn(NamedTuple):
    """A database as a kill in the middle of a checkpoint leaves it."""

    path: Path
    before: bytes
    """The file as it was before the checkpoint."""
    after: bytes
    """The file as the whole checkpoint would have left it."""


@pytest.fixture
def torn(tmp_path: Path) -> Torn:
    """Return a database whose block of metadata is half written, with its log and journal."""
    source, path = tmp_path / "source.duckdb", tmp_path / "torn.duckdb"
    connection = duckdb.connect(":memory:", config={"checkpoint_threshold": "1TB"})
    connection.execute(f"ATTACH '{source}' AS source")
    connection.execute("USE source")
    connection.execute("CREATE TABLE t (n INTEGER, word VARCHAR)")
    connection.execute("INSERT INTO t SELECT i, 'word ' || i FROM range(500) r(i)")
    connection.execute("CHECKPOINT")
    connection.execute(MORE)
    checkpoints = Checkpoints(source, "source")
    checkpoints.journal.open()
    before = source.read_bytes()
    with checkpoints.guarded(connection):
        shutil.copy(checkpoints.journal.path, Journal(path).path)
        shutil.copy(f"{source}.wal", f"{path}.wal")
        connection.execute("CHECKPOINT")
    after = source.read_bytes()
    connection.close()
    checkpoints.journal.close()

    [metadata] = [
        block
        for block in range((len(before) - HEADERS) // BLOCK)
        if before[(at := HEADERS + block * BLOCK) : at + BLOCK] != after[at : at + BLOCK]
    ]
    start = HEADERS + metadata * BLOCK
    path.write_bytes(before[:start] + after[start : start + PAGE] + before[start + PAGE :])
    return Torn(path, before, after)


def rows_in(path: Path) -> list[tuple[int, int]]:
    """Return (rows, sum of n) as our engine finds them."""
    database = DuckDBDatabase(path, "", parse_options({}), WaitGraph(), when_unused=lambda _: None)
    try:
        raw, _ = database.cursor()
        return raw.execute("SELECT count(*), sum(n) FROM t").fetchall()
    finally:
        database.close()


@pytest.mark.xfail(
    raises=duckdb.Error, strict=True, reason="DuckDB 1.5 writes metadata again in place"
)
def test_plain_duckdb_opens_a_file_whose_checkpoint_was_cut_short(torn: Torn) -> None:
    duckdb.connect(torn.path).close()


def test_a_checkpoint_that_was_cut_short_is_undone_and_the_log_replayed(torn: Torn) -> None:
    assert rows_in(torn.path) == [(900, sum(range(900)))]
    assert not Journal(torn.path).path.exists()
    with duckdb.connect(torn.path) as plain:
        assert plain.execute("SELECT count(*) FROM t").fetchall() == [(900,)]


@pytest.mark.slow
def test_a_checkpoint_that_duckdb_itself_breaks_off_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "source.duckdb"
    code = f"""
        import os, duckdb
        from pathlib import Path
        from andamios_orm.dialect.checkpoints import Checkpoints
        connection = duckdb.connect(":memory:", config={{"checkpoint_threshold": "1TB"}})
        connection.execute("ATTACH '{path}' AS source; USE source")
        connection.execute("CREATE TABLE t AS SELECT i::INTEGER AS n, 'word' AS word"
                           " FROM range(500) r(i); CHECKPOINT")
        connection.execute("{MORE}")
        checkpoints = Checkpoints(Path("{path}"), "source")
        checkpoints.journal.open()
        connection.execute("SET GLOBAL debug_checkpoint_abort='before_header'")
        try:
            with checkpoints.guarded(connection):
                connection.execute("CHECKPOINT")
        except duckdb.Error:
            os._exit(3)
        """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)

    assert child.returncode == 3
    assert Journal(path).path.exists()
    assert Journal(path).undo()
    assert rows_in(path) == [(900, sum(range(900)))]


def test_a_file_is_as_it_was_before_the_checkpoint(torn: Torn) -> None:
    assert Journal(torn.path).undo()

    assert torn.path.read_bytes() == torn.before
    assert not Journal(torn.path).undo()


def test_a_checkpoint_that_is_complete_is_not_undone(torn: Torn) -> None:
    torn.path.write_bytes(torn.after)

    assert not Journal(torn.path).undo()

    assert torn.path.read_bytes() == torn.after
    assert not Journal(torn.path).path.exists()


@pytest.mark.parametrize("part", [0, 100, HEADERS + 100, -1])
def test_a_damaged_journal_changes_nothing(torn: Torn, part: int) -> None:
    journal = Journal(torn.path)
    content = bytearray(journal.path.read_bytes())
    content[part] ^= 1
    journal.path.write_bytes(content)
    found = torn.path.read_bytes()

    assert not journal.undo()

    assert torn.path.read_bytes() == found


def test_a_draft_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "file.duckdb").write_bytes(b"x")
    journal = Journal(tmp_path / "file.duckdb")
    draft = tmp_path / "file.duckdb.journal.new"
    draft.write_bytes(b"half of it")

    assert not journal.undo()

    assert not draft.exists()


def test_a_journal_whose_database_is_gone_is_removed(torn: Torn) -> None:
    torn.path.unlink()

    assert not Journal(torn.path).undo()

    assert not Journal(torn.path).path.exists()


@pytest.mark.parametrize("log", [b"another log", None])
def test_a_journal_of_another_database_changes_nothing(torn: Torn, log: bytes | None) -> None:
    found = torn.path.read_bytes()
    Path(f"{torn.path}.wal").unlink()
    if log is not None:
        Path(f"{torn.path}.wal").write_bytes(log)

    assert not Journal(torn.path).undo()

    assert torn.path.read_bytes() == found


def test_without_a_log_a_journal_is_of_the_very_file(tmp_path: Path) -> None:
    path = tmp_path / "file.duckdb"
    path.write_bytes(b"x" * (HEADERS + BLOCK))
    journal = Journal(path)
    for copied in (False, True):
        journal.open()
        journal.save([0], BLOCK)
        journal.close()
        if copied:
            path.write_bytes(path.rename(tmp_path / "moved").read_bytes())

        assert journal.undo() is not copied


def test_a_log_that_has_grown_is_the_same(torn: Torn) -> None:
    with Path(f"{torn.path}.wal").open("ab") as log:
        log.write(b"the mark of the checkpoint")

    assert Journal(torn.path).undo()


def test_a_journal_that_goes_as_it_is_looked_at_is_none(
    torn: Torn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    Journal(torn.path).path.unlink()

    assert not Journal(torn.path).undo()


def test_what_is_not_in_the_file_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "file.duckdb"
    path.write_bytes(b"x" * (HEADERS + BLOCK))
    journal = Journal(path)
    journal.open()

    with pytest.raises(OSError, match="the file ends there"):
        journal.save([1], BLOCK)

    journal.close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_in_place_while_its_name_leads_to_it(tmp_path: Path) -> None:
    path = tmp_path / "file.duckdb"
    path.write_bytes(b"x")
    journal = Journal(path)
    before = journal.in_place
    journal.open()
    opened = journal.in_place
    path.rename(tmp_path / "moved")
    moved = journal.in_place
    path.write_bytes(b"y")

    assert (before, opened, moved, journal.in_place) == (False, True, False, False)
    journal.close()


def test_a_file_that_another_process_has_open_is_left_alone(torn: Torn) -> None:
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    found = torn.path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(torn.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"

        assert not Journal(torn.path).undo()
        other.communicate()

    assert torn.path.read_bytes() == found
    assert Journal(torn.path).undo()


def test_a_journal_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.duckdb"
    path.write_bytes(b"x" * (HEADERS + BLOCK))
    journal = Journal(path)
    journal.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.save([0], BLOCK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.close()

    assert list(tmp_path.iterdir()) == [path]
