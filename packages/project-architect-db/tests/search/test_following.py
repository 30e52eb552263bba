"""The index of a DuckDB file: up to date whatever was written, and whatever happened to it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, make_url, update

from andamios_orm import Database
from andamios_orm.core import ChangeFeed
from andamios_orm.maintenance import backup, restore
from project_architect_db.exceptions import SearchUnavailable
from project_architect_db.models import Base, Document
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)
from project_architect_db.search import Following, duckdb, following, index
from project_architect_db.search.finding import Filters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from andamios_orm.testing.prepared import PreparedDatabases

    Agree = Callable[[Database], Awaitable[bool]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

CHILD = Path(__file__).parent / "children" / "write_and_search.py"
IDEA = "an idea of ten letters"


@pytest.fixture
def url(andamios_prepared: PreparedDatabases) -> Iterator[str]:
    """Yield the address of a file of this test's own."""
    with andamios_prepared.duckdb(Base.metadata) as url:
        yield url


@pytest.fixture
def file(url: str) -> Path:
    return Path(str(make_url(url).database))


@pytest.fixture
def folder(file: Path) -> Path:
    return file.with_name(f"{file.name}.search")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        yield database


async def fill(database: Database, *names: str) -> int:
    """Store a project, with a document for each name."""
    project = await ProjectRepository(database).create({"name": "Shelf", "project_idea": IDEA})
    await add(database, project.id, *names)
    return project.id


async def add(database: Database, project: int, *names: str) -> None:
    for name in names:
        await DocumentRepository(database).create({"project_id": project, "name": name})


async def total(database: Database, text: str) -> int:
    return (await SearchRepository(database).search(text)).total


def noted(database: Database) -> list[str]:
    """Return the list of the statements that are run from now on."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return found


# ---- what it costs ------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_search_that_is_caught_up_asks_the_database_nothing(database: Database) -> None:
    await fill(database, "apples")
    await total(database, "apples")
    statements = noted(database)

    assert await total(database, "apples") == 1
    assert await total(database, "appels") == 1
    assert statements == []


@pytest.mark.slow
async def test_a_write_of_something_else_is_not_followed(database: Database) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    await DocumentRepository(database).record_access(project)
    statements = noted(database)

    await total(database, "apples")

    assert statements == []


@pytest.mark.slow
async def test_after_a_write_two_statements_tell_what_has_changed(database: Database) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    await add(database, project, "pears")
    statements = noted(database)

    assert await total(database, "pears") == 1
    assert len(statements) == 2, statements  # the feed, and the document


@pytest.mark.slow
async def test_changes_of_something_else_between_are_passed_over(
    database: Database, monkeypatch: pytest.MonkeyPatch, agree: Agree
) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    monkeypatch.setattr(following, "_CHANGES", 3)
    document = (await DocumentRepository(database).list())[0]
    for _ in range(5):
        await DocumentRepository(database).record_access(document.id)
    await add(database, project, "pears", "plums")

    assert await total(database, "pears") == 1
    assert await agree(database)


@pytest.mark.slow
async def test_searches_at_the_same_time_catch_up_once(database: Database) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    statements = noted(database)
    await add(database, project, "pears")
    statements.clear()

    found = await asyncio.gather(*(total(database, "pears") for _ in range(20)))

    assert found == [1] * 20
    assert len(statements) <= 5


@pytest.mark.slow
async def test_loops_of_several_threads_share_one_index(database: Database) -> None:
    project = await fill(database, "apples")
    found: list[int] = []

    def search() -> None:
        found.append(asyncio.run(total(database, "apples")))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    await add(database, project, "other apples")
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert set(found) <= {1, 2}
    assert len(found) == 4
    assert await total(database, "apples") == 2


@pytest.mark.slow
async def test_a_search_that_is_cancelled_harms_no_other(database: Database, agree: Agree) -> None:
    await fill(database, *(f"apple {n}" for n in range(20)))
    for steps in range(12):
        task = asyncio.ensure_future(SearchRepository(database).rebuild())
        for _ in range(steps * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert await total(database, "apple") == 20
    assert await agree(database)


# ---- opened again ---------------------------------------------------------------------------


async def test_an_index_of_nothing_is_kept_and_made_anew_for_the_first_write(url: str) -> None:
    async with Database(url) as database:
        assert await total(database, "apples") == 0

    async with Database(url) as database:
        assert await SearchRepository(database).catch_up() == 0
        await fill(database, "apples")
        assert await total(database, "apples") == 1


@pytest.mark.slow
async def test_an_index_is_kept_and_goes_on_where_it_was(url: str) -> None:
    async with Database(url) as database:
        project = await fill(database, "apples")
        assert await total(database, "apples") == 1
        await add(database, project, "pears")

    async with Database(url) as database:
        search = SearchRepository(database)
        before = await search.status()
        assert (before.entries, before.behind) == (2, 1)
        assert await search.catch_up() == 1
        assert await total(database, "pears") == 1


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "garbage", "no meta", "another schema", "foreign"])
async def test_an_index_that_cannot_be_used_is_made_anew(
    url: str, folder: Path, tmp_path: Path, agree: Agree, damage: str
) -> None:
    async with Database(url) as database:
        await fill(database, "apples", "pears")
        assert await total(database, "apples") == 1
        await SearchRepository(database).rebuild()
    (folder / "mine.txt").write_text("not part of it")
    await spoil(folder, tmp_path, damage)

    async with Database(url) as database:
        assert await total(database, "apples") == 1
        assert await agree(database)
    assert (folder / "mine.txt").read_text() == "not part of it"


async def spoil(folder: Path, tmp_path: Path, damage: str) -> None:
    """Damage an index."""
    segments = [path for path in folder.iterdir() if path.suffix in {".term", ".idx", ".store"}]
    if damage == "truncated":
        for path in segments:
            os.truncate(path, 3)
    elif damage == "garbage":
        for path in segments:
            path.write_bytes(b"\xff" * path.stat().st_size)
    elif damage == "no meta":
        (folder / "meta.json").unlink()
    elif damage == "another schema":
        import tantivy

        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "mine.txt").write_text("not part of it")
        schema = tantivy.SchemaBuilder().add_text_field("x").build()
        tantivy.Index(schema, path=str(folder)).writer(15_000_000, 1).commit()
    else:
        other = tmp_path / "other.duckdb"
        async with Database(f"duckdb:///{other}") as database:
            async with database.engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            await fill(database, "plums", "plums", "plums")
            await total(database, "plums")
        for path in Path(f"{other}.search").iterdir():
            shutil.copy(path, folder)


@pytest.mark.slow
async def test_an_index_that_turns_out_to_be_damaged_is_made_anew(
    database: Database, agree: Agree
) -> None:
    await fill(database, "apples")
    await total(database, "apples")
    found = (await Following.of(database.engine)).index
    found.searcher = Broken(found.searcher)

    assert await total(database, "apples") == 1
    assert await agree(database)


class Broken:
    """A searcher that finds its files damaged."""

    def __init__(self, searcher: Any) -> None:
        self.num_docs = searcher.num_docs

    def search(self, *_arguments: object, **_options: object) -> None:
        """Raise what tantivy raises."""
        message = "Data corrupted"
        raise ValueError(message)


@pytest.mark.slow
async def test_searches_at_the_same_time_find_a_damaged_index_made_anew_once(
    database: Database,
) -> None:
    project = await fill(database, "apples")
    await ConversationRepository(database).create(
        {"project_id": project, "messages": [{"role": "user", "content": "apples"}]}
    )
    await total(database, "apples")
    following = await Following.of(database.engine)
    for _ in range(5):
        following.index.searcher = Broken(following.index.searcher)

        found = await asyncio.gather(*(total(database, "apples") for _ in range(8)))

        assert found == [2] * 8


@pytest.mark.slow
async def test_a_search_that_has_begun_waits_for_an_index_that_is_made_anew(
    database: Database,
) -> None:
    await fill(database, "apples")
    following = await Following.of(database.engine)
    search = duckdb.DuckDBBackend(database.engine, following, Filters())
    await search.begin()
    await following.damaged(following.index.searcher)

    assert "apples" in await search.similar("aples", 2)


@pytest.mark.slow
async def test_an_error_that_is_no_damage_is_raised(database: Database) -> None:
    await fill(database, "apples")
    await total(database, "apples")
    (await Following.of(database.engine)).index.searcher = object()

    with pytest.raises(AttributeError):
        await total(database, "apples")


@pytest.mark.slow
async def test_a_restored_file_has_another_index(
    url: str, file: Path, folder: Path, tmp_path: Path, agree: Agree
) -> None:
    async with Database(url) as database:
        project = await fill(database, "apples")
        await total(database, "apples")
        copy = await backup(database, tmp_path / "copy.duckdb")
        await add(database, project, "pears", "plums")
        assert await total(database, "pears") == 1
    assert not Path(f"{copy.path}.search").exists()
    await restore(tmp_path / "copy.duckdb", file, overwrite=True)

    async with Database(url) as database:
        await add(database, project, "nuts", "figs")
        assert [await total(database, text) for text in ("pears", "nuts", "figs")] == [0, 1, 1]
        assert await agree(database)
    assert folder.is_dir()


@pytest.mark.slow
async def test_a_file_that_is_restored_to_what_the_index_has_needs_nothing(
    url: str, file: Path, tmp_path: Path
) -> None:
    async with Database(url) as database:
        await fill(database, "apples")
        await total(database, "apples")
        await backup(database, tmp_path / "copy.duckdb")
    await restore(tmp_path / "copy.duckdb", file, overwrite=True)

    async with Database(url) as database:
        assert await SearchRepository(database).catch_up() == 0
        assert await total(database, "apples") == 1


@pytest.mark.slow
async def test_many_changes_are_followed_some_at_a_time(
    database: Database, agree: Agree, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_CHANGES", "_PAGE", "_AT_ONCE"):
        monkeypatch.setattr(following, name, 2)
    project = await fill(database, "apple 1", "apple 2", "apple 3")
    assert await total(database, "apple") == 3
    await add(database, project, "apple 4", "apple 5", "apple 6")
    await ProjectRepository(database).delete(project)
    await ProjectRepository(database).restore(project)

    assert await SearchRepository(database).catch_up() > 6
    assert await total(database, "apple") == 6
    assert await agree(database)


@pytest.mark.slow
async def test_of_very_many_conversations_the_total_is_estimated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb, "_GROUPS", 2)
    project = await fill(database)
    said = [{"role": "user", "content": "an apple"}] * 2
    for _ in range(4):
        values = {"project_id": project, "title": "Talk", "messages": said}
        await ConversationRepository(database).create(values)

    results = await SearchRepository(database).search("apple", limit=2)

    assert (results.total, len(results.hits)) == (4, 2)


# ---- what the feed does not tell ---------------------------------------------------------


@pytest.mark.slow
async def test_changes_that_were_removed_are_read_from_the_tables(
    database: Database, agree: Agree
) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    await add(database, project, "pears")
    feed = ChangeFeed(database, Base)
    await feed.prune(before=await feed.position() + 1)

    assert await total(database, "pears") == 1
    assert await agree(database)


@pytest.mark.slow
async def test_rows_that_a_statement_has_changed_are_read_anew(
    database: Database, agree: Agree
) -> None:
    await fill(database, "apples")
    await total(database, "apples")

    async with database.transaction() as session:
        await session.execute(update(Document).values(name="pears"))

    assert await total(database, "pears") == 1
    assert await agree(database)


@pytest.mark.slow
async def test_raw_sql_is_seen_by_rebuilding(database: Database, agree: Agree) -> None:
    await fill(database, "apples")
    await total(database, "apples")

    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE documents SET name = 'pears'")

    assert await total(database, "pears") == 0
    assert await SearchRepository(database).rebuild() == 2
    assert await total(database, "pears") == 1
    assert await agree(database)


# ---- folders ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_folder_that_cannot_be_used_is_named(database: Database, folder: Path) -> None:
    await fill(database, "apples")
    folder.write_text("a file")

    with pytest.raises(SearchUnavailable, match="Make room there and let this process write") as it:
        await total(database, "apples")

    assert it.value.folder == folder
    assert str(folder) in str(it.value)
    folder.unlink()
    assert await total(database, "apples") == 1


@pytest.mark.slow
async def test_a_folder_that_has_gone_comes_back(
    database: Database, folder: Path, agree: Agree
) -> None:
    project = await fill(database, "apples")
    await total(database, "apples")
    shutil.rmtree(folder)
    await add(database, project, "pears")

    assert await total(database, "pears") == 1
    assert await agree(database)
    assert folder.is_dir()


@pytest.mark.slow
async def test_what_writes_to_the_folder_is_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_PATIENCE", 0.05)
    project = await fill(database, "apples")
    await total(database, "apples")
    writing = (await Following.of(database.engine)).index.writing()
    await add(database, project, "pears")

    with pytest.raises(SearchUnavailable, match="LockBusy"):
        await total(database, "pears")

    writing.close()
    assert await total(database, "pears") == 1


@pytest.mark.slow
async def test_the_lock_of_a_process_that_has_gone_does_not_matter(url: str, folder: Path) -> None:
    async with Database(url) as database:
        await fill(database, "apples")
        await total(database, "apples")
    (folder / ".tantivy-writer.lock").write_text("4711")

    async with Database(url) as database:
        await add(database, 1, "pears")
        assert await total(database, "pears") == 1


@pytest.mark.slow
async def test_a_database_in_memory_has_its_index_there() -> None:
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await fill(database, "apples")

        assert await total(database, "apples") == 1
        assert (await SearchRepository(database).status()).folder is None


# ---- whatever comes ---------------------------------------------------------------------------


class Writer:
    """Writes something by chance."""

    def __init__(self, database: Database, seed: int) -> None:
        self.chance = random.Random(seed)
        self.projects = ProjectRepository(database)
        self.documents = DocumentRepository(database)
        self.talks = ConversationRepository(database)
        self.kinds = (self.create, self.update, self.delete, self.project, self.say, self.bulk)
        self.owners: list[int] = []
        self.texts: list[int] = []
        self.spoken: list[int] = []

    async def begin(self) -> None:
        """Store what the others change."""
        for _ in range(3):
            values = {"name": "Shelf", "project_idea": IDEA}
            self.owners.append((await self.projects.create(values)).id)
        await self.create()

    async def write(self) -> None:
        """Do one of it."""
        await self.chance.choice(self.kinds)()

    @property
    def word(self) -> str:
        """A word."""
        return f"w{self.chance.randrange(100)}"

    async def create(self) -> None:
        """Store a document and a conversation."""
        owner = {"project_id": self.chance.choice(self.owners)}
        self.texts.append((await self.documents.create({**owner, "name": self.word})).id)
        self.spoken.append((await self.talks.create({**owner, "title": self.word})).id)

    async def update(self) -> None:
        """Change a document, and move a conversation."""
        text, talk = self.chance.choice(self.texts), self.chance.choice(self.spoken)
        if await self.documents.exists(id=text):
            await self.documents.update(text, {"content": self.word})
        if await self.talks.exists(id=talk):
            owner = self.chance.choice(self.owners)
            await self.talks.update(talk, {"title": self.word, "project_id": owner})

    async def delete(self) -> None:
        """Delete a document, or restore it."""
        text = self.chance.choice(self.texts)
        if not await self.documents.delete(text):
            await self.documents.restore(text)

    async def project(self) -> None:
        """Delete a project with all that is in it, or restore it."""
        owner = self.chance.choice(self.owners)
        if not await self.projects.delete(owner):
            await self.projects.restore(owner)

    async def say(self) -> None:
        """Add a message."""
        talk = self.chance.choice(self.spoken)
        if await self.talks.exists(id=talk):
            await self.talks.add_message(talk, {"role": "user", "content": self.word})

    async def bulk(self) -> None:
        """Store some documents at once."""
        rows = [{"project_id": self.chance.choice(self.owners), "name": self.word}] * 3
        self.texts += (await self.documents.bulk_create(rows)).ids


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_after_any_writes_index_and_tables_agree(
    database: Database, agree: Agree, seed: int
) -> None:
    writer = Writer(database, seed)
    await writer.begin()
    most = 0

    for _ in range(25):
        for _ in range(writer.chance.randrange(5)):
            await writer.write()
        assert await agree(database)
        status = await SearchRepository(database).status()
        most = max(most, status.entries or 0)
    assert most > 10


@pytest.mark.slow
async def test_killed_at_any_moment_index_and_tables_agree(
    url: str, agree: Agree, rounds: Callable[[int, int, int], int]
) -> None:
    chance = random.Random(7)
    entries = 0
    for _ in range(rounds(2, 10, 10)):
        child = subprocess.Popen([sys.executable, str(CHILD), url], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"going\n"
        await asyncio.sleep(chance.random())
        child.kill()
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()

        async with Database(url) as database:
            assert await agree(database)
            status = await SearchRepository(database).status()
            assert status.entries is not None
            assert status.entries > entries
            entries = status.entries
