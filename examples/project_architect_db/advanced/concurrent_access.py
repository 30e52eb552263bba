"""Many tasks on one database: nothing is lost, and nobody waits longer than needed.

Shows creates that share a commit, messages from many tasks, two who change the same project,
a unit of work that is run again after a conflict, readers beside a writer, and a task that is
cancelled.

Prints what came of each. Costs: on a DuckDB file one transaction writes at a time, the
others wait their turn; readers never wait; a conflict costs running the block again, so it
must not send mails.

Edge cases: who has read an old version and says so gets ``StaleVersion``; two transactions
that read and then write the same row: one gets ``WriteConflict``, unless it may be run again;
a transaction that was cancelled leaves nothing; a second *process* cannot open the file (see
``troubleshooting/second_process.py``).
"""

from __future__ import annotations

import asyncio
from functools import partial

from andamios_orm import Session, run
from andamios_orm.exceptions import StaleVersion, WriteConflict
from project_architect_db.core import DatabaseEngine, SessionManager
from project_architect_db.models import Project
from project_architect_db.repositories import ConversationRepository, ProjectRepository

TASKS = 50
IDEA = "A scaffold for the data of a team"


async def many_creates(engine: DatabaseEngine) -> int:
    """Creates of concurrent tasks share commits; each has its own outcome."""
    projects, before = ProjectRepository(engine), engine.observer.counters.statements
    created = await asyncio.gather(
        *(
            projects.create({"name": f"project {number}", "project_idea": IDEA})
            for number in range(TASKS)
        )
    )
    sent = engine.observer.counters.statements - before
    print(f"{len(created)} creates in {TASKS} tasks; fewer statements than tasks: {sent < TASKS}")
    return created[0].id


async def many_messages(engine: DatabaseEngine, project_id: int) -> None:
    """Every message of every task is there, and counted."""
    conversations = ConversationRepository(engine)
    talk = await conversations.create({"project_id": project_id})
    await asyncio.gather(
        *(
            conversations.add_message(talk.id, {"role": "user", "content": f"from {number}"})
            for number in range(TASKS)
        )
    )
    talk = await conversations.get(talk.id)
    print("messages:", len(talk.messages), "counted:", talk.message_count)
    assert len({message["content"] for message in talk.messages}) == TASKS


async def two_editors(engine: DatabaseEngine, key: int) -> None:
    """Both have read version 1; the second is told."""
    projects = ProjectRepository(engine)
    seen = (await projects.get(key)).version
    await projects.update(key, {"name": "Andamios"}, version=seen)
    try:
        await projects.update(key, {"name": "Scaffold"}, version=seen)
    except StaleVersion as error:
        print(f"stale: it was read at version {error.expected} and is at {error.actual}")


async def run_again(engine: DatabaseEngine, key: int) -> None:
    """Read, think, write: the one who was slower is run again, on what is there now."""

    async def append(session: Session, letter: str) -> None:
        project = await ProjectRepository(session).get(key)
        project.description = (project.description or "") + letter

    try:
        async with engine.transaction() as session:
            await append(session, "a")
            async with engine.transaction() as faster:
                await append(faster, "b")
    except WriteConflict as error:
        print("conflict:", str(error).partition(":")[0])
    await asyncio.gather(
        *(engine.run_in_transaction(partial(append, letter=letter)) for letter in "cdefg")
    )
    text = (await ProjectRepository(engine).get(key)).description or ""
    print("all of them wrote:", "".join(sorted(text)))


async def readers_beside_a_writer(engine: DatabaseEngine) -> None:
    """Who reads does not wait for who writes, and does not see what is not committed."""
    projects = ProjectRepository(engine)
    async with engine.transaction() as session:
        await ProjectRepository(session).create({"name": "not yet", "project_idea": IDEA})
        async with asyncio.timeout(5):
            before = await asyncio.create_task(projects.count())
    print("read meanwhile:", before, "- afterwards:", await projects.count())


async def cancelled(engine: DatabaseEngine) -> None:
    """A task that is cancelled between its write and its commit leaves nothing."""
    manager = SessionManager(engine)
    written = asyncio.Event()

    async def never_ends() -> None:
        async with manager.transaction() as session:
            session.add(Project(name="cancelled", project_idea=IDEA))
            await session.flush()
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await written.wait()
    task.cancel()
    await asyncio.wait([task])
    print("left by the cancelled one:", await ProjectRepository(engine).count(name="cancelled"))


async def main() -> None:
    """Run the steps on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        key = await many_creates(engine)
        await many_messages(engine, key)
        await two_editors(engine, key)
        await run_again(engine, key)
        await readers_beside_a_writer(engine)
        await cancelled(engine)


if __name__ == "__main__":
    run(main())
