"""Messages come from many at once, and one more costs the same however many there are."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.bulk import bulk_create
from project_architect_db.models import ConversationMessage
from project_architect_db.repositories import ConversationRepository, ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database

    Values = Callable[..., dict[str, Any]]

HELLO = {"role": "user", "content": "hello there", "tokens": 3}


@pytest.mark.concurrency
@pytest.mark.db
@pytest.mark.slow
async def test_messages_of_many_tasks_are_all_counted(
    database: Database, project_values: Values
) -> None:
    project = await ProjectRepository(database).create(project_values())
    conversations = ConversationRepository(database)
    key = (await conversations.create({"project_id": project.id})).id

    await asyncio.gather(*(conversations.add_message(key, HELLO) for _ in range(8)))

    conversation = await conversations.get(key)
    assert len(conversation.messages) == 8
    assert (conversation.message_count, conversation.token_count) == (8, 24)


@pytest.mark.performance
@pytest.mark.db
@pytest.mark.slow
async def test_a_message_costs_the_same_after_ten_and_after_ten_thousand(
    duckdb_file: Database, project_values: Values
) -> None:
    project = await ProjectRepository(duckdb_file).create(project_values())
    conversations = ConversationRepository(duckdb_file)
    keys = [(await conversations.create({"project_id": project.id})).id for _ in range(2)]
    for key, count in zip(keys, (10, 10_000), strict=True):
        async with duckdb_file.transaction() as session:
            rows = [{"conversation_id": key, **HELLO}] * count
            await bulk_create(session, ConversationMessage, rows)

    times: dict[int, list[float]] = {key: [] for key in keys}
    for _ in range(60):
        for key in keys:
            started = time.perf_counter()
            await conversations.add_message(key, HELLO)
            times[key].append(time.perf_counter() - started)

    short, long = (median(times[key][10:]) for key in keys)
    assert long < 1.5 * short, f"{long * 1e3:.2f} ms after 10,000, {short * 1e3:.2f} ms after 10"
