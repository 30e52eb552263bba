"""Histories of many tasks in scopes of two organisations, some of them cancelled or failing."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from andamios_orm.exceptions import CommitOutcomeUnknown, ConcurrencyConflict, DataFault
from andamios_orm.testing.histories import History, Level, Undone, anomalies, parsed
from axai_pg.data.models import Document, DocumentVersion
from axai_pg.data.repositories import DocumentRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tests.data.concurrency.conftest import Firm

    from andamios_orm import Session
    from andamios_orm.testing.histories import Transaction
    from axai_pg.data.config.database import DatabaseManager

    Work = Callable[[Session, Firm, History, Transaction], Awaitable[None]]

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

TASKS = 6

# ---- lists: every way to read a document, and every way to write it back ------------------


async def _flushed(documents: DocumentRepository, row: Document, content: str) -> None:
    row.content = content
    await documents.session.flush()


READS: list[Callable[[DocumentRepository, Any], Awaitable[Document]]] = [
    lambda documents, key: documents.get(key),
    lambda documents, key: documents.get_one(id=key),
    lambda documents, key: documents.query().filter(id=key).one(),
]
WRITES: list[Callable[[DocumentRepository, Document, str], Awaitable[Any]]] = [
    lambda documents, row, content: documents.update(row.id, {"content": content}),
    lambda documents, row, content: documents.update_with_version(
        row.id, {"content": content}, content[:100], version=row.version
    ),
    lambda documents, row, content: documents.update_with_version(row.id, {"content": content}),
    lambda documents, row, content: documents.get_and_update({"content": content}, row.id),
    lambda documents, row, content: documents.bulk_update(
        [{"id": row.id, "content": content, "version": row.version}]
    ),
    _flushed,
]


async def looks(
    documents: DocumentRepository, firm: Firm, history: History, transaction: Transaction
) -> Document:
    """Read a list; return its row."""
    key = history.chance.choice(firm.documents)
    row = await history.chance.choice(READS)(documents, key)
    transaction.reads(key.int, parsed(row.content or ""))
    return row


async def appends(session: Session, firm: Firm, history: History, transaction: Transaction) -> None:
    """Append to one or two lists, and give up or fail now and then."""
    documents = DocumentRepository(session)
    for _ in range(history.chance.randrange(1, 3)):
        row = await looks(documents, firm, history, transaction)
        item = history.new_item()
        transaction.appends(row.id.int, item)
        await history.chance.choice(WRITES)(documents, row, f"{row.content} {item}")
    ending = history.chance.random()
    if ending < 0.1:
        raise Undone
    if ending < 0.2:
        await session.execute(text("SELECT 1 / 0"))


async def only_looks(
    session: Session, firm: Firm, history: History, transaction: Transaction
) -> None:
    """Read some lists, and see that there are no others."""
    for _ in range(history.chance.randrange(1, 3)):
        await looks(DocumentRepository(session), firm, history, transaction)
    assert set(await session.scalars(text("SELECT org_id FROM documents"))) == {firm.id}


async def run(
    manager: DatabaseManager, firms: Sequence[Firm], history: History, work: Work
) -> None:
    """Do ``work`` in a scope of one of the organisations; note what became of it."""
    firm = history.chance.choice(firms)
    with history.transaction() as transaction:
        try:
            async with manager.async_session_scope(firm.id, firm.user_id) as session:
                await work(session, firm, history, transaction)
                transaction.committing = True
            transaction.outcome = "committed"
        except CommitOutcomeUnknown:
            transaction.outcome = "unknown"
        except (Undone, DataFault, ConcurrencyConflict):
            pass


async def held(manager: DatabaseManager, firms: Sequence[Firm]) -> dict[int, list[int]]:
    """Return what the lists of all organisations hold."""
    found = {}
    for firm in firms:
        async with manager.async_session_scope(firm.id) as session:
            for row in await DocumentRepository(session).list():
                found[row.id.int] = parsed(row.content or "")
    return found


async def wrong_versions(
    manager: DatabaseManager, firms: Sequence[Firm], lists: Mapping[int, Sequence[int]]
) -> list[str]:
    """Return where a version is missing, is there twice, or does not say what it did.

    Each item is one change, so the version of a number has one item less.
    """
    found = []
    kept = select(DocumentVersion).order_by(DocumentVersion.version)
    for firm in firms:
        async with manager.async_session_scope(firm.id) as session:
            for key in firm.documents:
                items = lists[key.int]
                past = list(await session.scalars(kept.where(DocumentVersion.document_id == key)))
                document = await session.get_one(Document, key)
                rows: list[DocumentVersion | Document] = [*past, document]
                states = [(row.version, parsed(row.content or "")) for row in rows]
                expected = [(number + 1, [*items[:number]]) for number in range(len(items) + 1)]
                if states != expected:
                    found.append(f"{key}: {states} instead of {expected}")
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_lists_show_no_anomaly(
    manager: DatabaseManager, firms: Sequence[Firm], rounds: Callable[[int, int, int], int]
) -> None:
    history = History(0)
    units = [partial(run, manager, firms, history, work) for work in (appends, appends, only_looks)]

    for seed in range(rounds(1, 5, 50)):
        history.chance.seed(seed)
        async with asyncio.timeout(100):
            times = rounds(4, 10, 24)
            await asyncio.gather(*(history.client(units, times) for _ in range(TASKS)))

    lists = await held(manager, firms)
    assert history.committed >= TASKS
    assert len(lists) == sum(len(firm.documents) for firm in firms)
    assert anomalies(history.transactions, lists, Level.SNAPSHOT) == []
    assert await wrong_versions(manager, firms, lists) == []


@pytest.mark.slow
async def test_the_checkers_find_what_a_careless_writer_loses(
    manager: DatabaseManager, firm: Firm
) -> None:
    history, read = History(0), asyncio.Barrier(2)
    key = firm.documents[0]

    async def careless() -> None:
        with history.transaction() as transaction:
            async with manager.async_session_scope(firm.id, firm.user_id) as session:
                seen = (await DocumentRepository(session).get(key)).content
                transaction.reads(key.int, parsed(seen or ""))
            await read.wait()
            item = history.new_item()
            transaction.appends(key.int, item)
            for _ in range(2):  # the second is no conflict any more
                try:
                    async with manager.async_session_scope(firm.id, firm.user_id) as session:
                        values = {"content": f"{seen} {item}"}
                        await DocumentRepository(session).update(key, values)
                    break
                except ConcurrencyConflict:
                    pass
            transaction.outcome = "committed"

    await asyncio.gather(careless(), careless())

    lists = await held(manager, [firm])
    [fault] = anomalies(history.transactions, lists, Level.SNAPSHOT)
    assert fault.startswith("lost or doubled")
    assert await wrong_versions(manager, [firm], lists) != []


# ---- one number that everybody wants ------------------------------------------------------


async def increment(manager: DatabaseManager, firm: Firm, times: int) -> None:
    """Raise the number that a document is, reading it first each time, until it succeeds."""
    key, done = firm.documents[0], 0
    while done < times:
        try:
            async with manager.async_session_scope(firm.id, firm.user_id) as session:
                documents = DocumentRepository(session)
                row = await documents.get(key)
                number = int(row.content or 0) + 1
                await documents.update_with_version(
                    key, {"content": str(number)}, str(number), version=row.version
                )
            done += 1
        except ConcurrencyConflict:
            pass


@pytest.mark.slow
async def test_as_many_increments_as_were_acknowledged_are_there(
    manager: DatabaseManager, firms: Sequence[Firm], rounds: Callable[[int, int, int], int]
) -> None:
    times = rounds(2, 10, 50)

    async with asyncio.timeout(100):
        tasks = [increment(manager, firm, times) for firm in firms for _ in range(3)]
        await asyncio.gather(*tasks)

    for firm in firms:
        async with manager.async_session_scope(firm.id) as session:
            documents = DocumentRepository(session)
            row = await documents.get(firm.documents[0])
            entries = await documents.versions(row.id, limit=None)
        numbers = [entry.version for entry in reversed(entries)]
        assert int(row.content or 0) == 3 * times
        assert numbers == [*range(1, 3 * times + 2)]
        assert [entry.change_description for entry in reversed(entries[:-1])] == [
            str(number) for number in range(1, 3 * times + 1)
        ]
