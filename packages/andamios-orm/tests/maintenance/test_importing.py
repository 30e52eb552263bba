"""Backups of the open form that somebody has changed: refused, with nothing written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pytest

from andamios_orm import Database, run
from andamios_orm.exceptions import BackupFailed
from andamios_orm.maintenance import backup, importing, restore

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]

MADE: Final = """
CREATE SEQUENCE numbers;
CREATE TABLE book (id INTEGER PRIMARY KEY, title VARCHAR, pages INTEGER CHECK (pages > 0));
CREATE INDEX by_title ON book (title);
CREATE VIEW thick AS SELECT * FROM book WHERE pages > 500;
INSERT INTO book VALUES (1, 'a', 10), (2, 'a', 20), (3, NULL, 30);
"""
PARQUET: Final = "data/0001.parquet"
PRIVATE: Final = "/etc/passwd"


def make(folder: Path) -> Path:
    """Return a good backup, a new folder in ``folder``."""
    path = folder / "made.duckdb"
    with duckdb.connect(str(path)) as raw:
        raw.execute(MADE)

    async def copy() -> None:
        async with Database(f"duckdb:///{path}") as database:
            await backup(database, folder / "open", form="open")

    run(copy())
    path.unlink()
    return folder / "open"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup that nobody has changed."""
    return make(tmp_path_factory.mktemp("good"))


# ---- what is done to it ----------------------------------------------------------------------


def manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    found = json.loads(path.read_bytes())
    change(found)
    path.write_text(json.dumps(found))


def table(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: manifest(folder, lambda found: found["tables"][0].update(changes))


def shape(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: manifest(
        folder, lambda found: found["tables"][0]["shape"].update(changes)
    )


def column(number: int, **changes: Any) -> Callable[[Path], object]:
    return lambda folder: manifest(
        folder, lambda found: found["tables"][0]["shape"]["columns"][number].update(changes)
    )


def constraint(**changes: Any) -> Callable[[Path], object]:
    made: dict[str, Any] = {
        "kind": "CHECK",
        "columns": [],
        "expression": None,
        "refers_to": None,
        "referred": [],
    }
    return lambda folder: manifest(
        folder,
        lambda found: found["tables"][0]["shape"]["constraints"].append(
            {**made, "name": None, **changes}
        ),
    )


def index(part: str) -> Callable[[Path], object]:
    return lambda folder: manifest(
        folder,
        lambda found: found["tables"][0]["shape"]["indexes"][0].update(parts=[part]),
    )


def view(sql: str, name: str = "thick") -> Callable[[Path], object]:
    made = {"schema": "main", "name": name, "sql": sql}
    return lambda folder: manifest(folder, lambda found: found.update(views=[made]))


def top(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: manifest(folder, lambda found: found.update(changes))


def sequence(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: manifest(folder, lambda found: found["sequences"][0].update(changes))


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: Path(folder, name).write_bytes(content)


def rows(query: str, options: str = "") -> Callable[[Path], object]:
    """Put other rows into the file, with the right checksum."""

    def change(folder: Path) -> None:
        path = folder / PARQUET
        path.unlink()
        with duckdb.connect() as raw:
            raw.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet{options})")
            [(count,)] = raw.execute(f"SELECT count(*) FROM '{path}'").fetchall()
        seal(folder, rows=count)

    return change


def seal(folder: Path, **changes: Any) -> None:
    """Let the manifest say of the file what it is."""
    content = Path(folder, PARQUET).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    table(size=len(content), digest=digest, **changes)(folder)


def cut(folder: Path) -> None:
    path = folder / PARQUET
    path.write_bytes(path.read_bytes()[:-9])


def cut_and_sealed(folder: Path) -> None:
    cut(folder)
    seal(folder)


def text_and_sealed(folder: Path) -> None:
    Path(folder, PARQUET).write_bytes(b"id,title\n1,a\n")
    seal(folder)


def flipped(folder: Path) -> None:
    path = folder / PARQUET
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        path.rename(folder.with_name("moved"))
        make(path)

    return change


def moved(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.name == "open").with_name("moved")


def many(folder: Path) -> None:
    manifest(folder, lambda found: found["tables"].append(found["tables"][0]))
    shutil.copyfile(folder / PARQUET, folder / "data" / "0002.parquet")


BOOK: Final = "SELECT 1 AS id, 'a' AS title, 5 AS pages"
HARM: Final[dict[str, Callable[[Path], object]]] = {
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "no json": written("manifest.json", b"PK\x03\x04"),
    "deep json": written("manifest.json", b"[" * 1_000_000),
    "endless json": lambda folder: os.truncate(folder / "manifest.json", 2**35),
    "a linked manifest": replaced("manifest.json", lambda path: path.symlink_to(moved(path))),
    "a folder for a manifest": replaced("manifest.json", lambda path: path.mkdir()),
    "another format": top(format="tar"),
    "another version": top(version=2),
    "a part missing": lambda folder: manifest(folder, lambda found: found.pop("sequences")),
    "rows as text": table(rows="3"),
    "a file missing": lambda folder: (folder / PARQUET).unlink(),
    "a file too much": written("data/0002.parquet", b"PAR1"),
    "a program beside it": written("install.sh", b"rm -rf ~"),
    "a linked file": replaced(PARQUET, lambda path: path.symlink_to(moved(path))),
    "a linked folder": replaced("data", lambda path: path.symlink_to(moved(path))),
    "a file with two names": lambda folder: folder.with_name("two").hardlink_to(folder / PARQUET),
    "a pipe": replaced(PARQUET, os.mkfifo),
    "a link to a secret": replaced(PARQUET, lambda path: path.symlink_to(PRIVATE)),
    "cut": cut,
    "cut and sealed": cut_and_sealed,
    "a flipped bit": flipped,
    "another size": table(size=7),
    "another digest": table(digest="0" * 64),
    "no parquet": text_and_sealed,
    "fewer rows": table(rows=2),
    "other columns": column(1, name="name"),
    "another type": column(1, type="INTEGER"),
    "groups that are too large": rows(
        "SELECT 1 AS id, 'a' AS title, 5 AS pages FROM range(200_000)", ", ROW_GROUP_SIZE 200_000"
    ),
    "keys twice": rows(f"{BOOK} UNION ALL {BOOK}"),
    "no key": rows(BOOK.replace("1", "NULL::INTEGER", 1)),
    "a check broken": rows(BOOK.replace("5", "-5")),
    "a null that must not be": column(1, nullable=False),
    "a parent missing": constraint(
        kind="FOREIGN KEY", columns=["pages"], refers_to="book", referred=["id"]
    ),
    "a table missing": constraint(
        kind="FOREIGN KEY", columns=["id"], refers_to="author", referred=["id"]
    ),
    "a default that reads": column(1, default=f"(SELECT content FROM read_text('{PRIVATE}'))"),
    "a default that is more": column(1, default="1); DROP TABLE book; SELECT (1"),
    "a generated value that reads": column(1, generated="(SELECT max(id) FROM book)"),
    "a check that reads": constraint(expression="(SELECT count(*) FROM book) > 0"),
    "a check that is more": constraint(expression="true), CHECK (false"),
    "a type that is more": column(2, type="INTEGER); ATTACH 'x.duckdb'; SELECT (1"),
    "a type that is a sum": column(2, type="INTEGER) + (1"),
    "a collation that is more": column(1, collation="NOCASE; DROP TABLE book"),
    "an index that is more": index("id); DROP TABLE book; SELECT (1"),
    "an index that reads": index("(SELECT 1)"),
    "a strange constraint": constraint(kind="EXCLUDE", columns=["id"]),
    "a view that is more": view("CREATE VIEW thick AS SELECT 1; DROP TABLE book"),
    "a view that writes": view("COPY book TO 'stolen.csv'"),
    "a view that reads a file": view(f"CREATE VIEW thick AS FROM read_csv('{PRIVATE}')"),
    "a view of another name": view("CREATE VIEW other AS SELECT 1 AS one"),
    "a view that cannot be": view("CREATE VIEW thick AS SELECT * FROM nowhere"),
    "a table twice": many,
    "two schemas": table(schema="other"),
    "a name that ends early": shape(name="bo\0ok"),
    "a sequence that stands": sequence(step=0),
    "a sequence that is more": sequence(name='a" ; DROP TABLE book; --', next=2**70),
}


@pytest.mark.sampled(18)
@pytest.mark.parametrize("harm", HARM)
async def test_a_backup_that_was_changed_is_refused(good: Path, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "there" / "open"
    shutil.copytree(good, folder)
    HARM[harm](folder)
    (tmp_path / "here").mkdir()

    with pytest.raises(BackupFailed, match="is no backup that can be restored"):
        await restore(folder, tmp_path / "here" / "shop.duckdb")

    assert list((tmp_path / "here").iterdir()) == []


async def test_the_good_one_is_restored(good: Path, tmp_path: Path) -> None:
    restored = await restore(good, tmp_path / "shop.duckdb")

    assert restored.rows == {"main.book": 3}


@pytest.mark.slow
async def test_more_than_the_disk_holds_is_refused(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(importing.shutil, "disk_usage", lambda _path: usage._replace(free=8))  # type: ignore[attr-defined]

    with pytest.raises(BackupFailed, match=r"it holds 9 values, and .* room for 8 bytes"):
        await restore(good, tmp_path / "shop.duckdb")


async def test_another_digest_is_refused(good: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match=r"has the SHA-256 .*, not 00"):
        await restore(good, tmp_path / "shop.duckdb", digest="00")


RESTORE_ALL: Final = """
import asyncio, importlib.util, sys
from pathlib import Path
from andamios_orm.exceptions import BackupFailed
from andamios_orm.maintenance import restore

def peak():  # getrusage() tells the memory of the parent as well
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) / 1024

async def main(folder):
    before = peak()
    for each in sorted(folder.iterdir()):
        try:
            await restore(each / "open", folder / "shop.duckdb")
        except BackupFailed:
            continue
        sys.exit(f"{each} was restored")
    print(before, peak())

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_refusing_takes_little_memory(good: Path, tmp_path: Path) -> None:
    for number, harm in enumerate(HARM.values()):
        folder = tmp_path / f"{number:02}" / "open"
        shutil.copytree(good, folder)
        harm(folder)

    done = subprocess.run(
        [sys.executable, "-c", RESTORE_ALL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    before, after = map(float, done.stdout.split())
    assert after - before < 100, "beside what the imports take"
    assert not list(tmp_path.glob("shop*"))
