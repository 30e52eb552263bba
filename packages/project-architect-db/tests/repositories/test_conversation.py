"""Conversations: their messages, one row each, and the phases that they go through."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.bulk import bulk_create, bulk_update
from andamios_orm.exceptions import NotFound, NotLoaded, UnknownField, ValueRefused
from project_architect_db.models import Conversation, ConversationMessage
from project_architect_db.models.conversation import PHASES
from project_architect_db.repositories import ConversationRepository, ProjectRepository
from project_architect_db.schemas import ConversationCreate, ConversationSchema, MessageCreate

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database, Session
    from andamios_orm.testing.clock import FrozenClock
    from project_architect_db.models import Project

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

HELLO = {"role": "user", "content": "hello there you", "tokens": 4}


@pytest.fixture
async def project(session: Session, project_values: Callable[..., dict[str, Any]]) -> Project:
    return await ProjectRepository(session).create(project_values(owner="ana"))


@pytest.fixture
def conversations(session: Session) -> ConversationRepository:
    return ConversationRepository(session)


async def test_a_conversation_begins_with_messages(
    conversations: ConversationRepository, project: Project
) -> None:
    schema = ConversationCreate(
        project_id=project.id, title=" Plan ", messages=[MessageCreate(role="user", content="hi")]
    )

    conversation = await conversations.create(schema)

    assert (conversation.title, conversation.phase) == ("Plan", "project_idea")
    assert conversation.message_count == 1
    assert conversation.messages[0]["content"] == "hi"


async def test_an_added_message_is_counted_and_read(
    conversations: ConversationRepository, project: Project
) -> None:
    key = (await conversations.create({"project_id": project.id})).id
    time = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)

    await conversations.add_message(key, {**HELLO, "time": time})
    await conversations.add_message(key, MessageCreate(role="assistant", content="yes", time=None))

    conversation = await conversations.get(key)
    assert conversation.messages[0] == {**HELLO, "time": time}
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"]
    counts = (conversation.message_count, conversation.word_count, conversation.token_count)
    assert counts == (2, 4, 4)
    assert conversation.last_message_at == conversation.messages[1]["time"]
    assert conversation.version == 1


async def test_a_conversation_that_is_loaded_shows_what_is_added(
    conversations: ConversationRepository, project: Project
) -> None:
    conversation = await conversations.create({"project_id": project.id, "messages": [HELLO]})

    await conversations.add_messages(conversation.id, [HELLO, HELLO])

    assert len(conversation.messages) == 3
    assert conversation.token_count == 12


async def test_an_added_message_is_a_few_statements_however_many_there_are(
    session: Session, conversations: ConversationRepository, project: Project, database: Database
) -> None:
    key = (await conversations.create({"project_id": project.id, "messages": [HELLO] * 50})).id
    session.expunge_all()
    statements: list[str] = []
    database.observer.subscribe(lambda record: statements.append(record.statement))

    await conversations.add_message(key, HELLO)

    assert len(statements) == 4, statements
    assert sum("INSERT" in statement for statement in statements) == 1


async def test_messages_that_were_not_loaded_say_so(
    session: Session, conversations: ConversationRepository, project: Project
) -> None:
    await conversations.create({"project_id": project.id, "messages": [HELLO]})
    session.expunge_all()

    (conversation,) = await conversations.get_by_project(project.id)

    with pytest.raises(NotLoaded, match=r"Conversation\.entries"):
        _ = conversation.messages
    with pytest.raises(NotLoaded, match=r"Conversation\.past_phases"):
        _ = conversation.phase_history


async def test_a_message_is_changed_and_removed(
    conversations: ConversationRepository, project: Project
) -> None:
    conversation = await conversations.create({"project_id": project.id, "messages": [HELLO] * 2})
    first, second = (entry.id for entry in conversation.entries)

    changed = await conversations.update_message(conversation.id, first, {"content": "two words"})
    assert (changed.content, conversation.word_count) == ("two words", 5)
    await conversations.delete_message(conversation.id, second)

    assert (conversation.message_count, conversation.token_count) == (1, 4)
    assert len(conversation.messages) == 1
    with pytest.raises(NotFound):
        await conversations.update_message(conversation.id, second, {"content": "gone"})


async def test_a_message_is_removed_from_a_conversation_that_is_not_loaded(
    session: Session, conversations: ConversationRepository, project: Project
) -> None:
    conversation = await conversations.create({"project_id": project.id, "messages": [HELLO]})
    entry = conversation.entries[0].id
    session.expunge_all()

    await conversations.delete_message(conversation.id, entry)

    found = await conversations.get(conversation.id)
    assert (found.message_count, found.last_message_at, found.messages) == (0, None, [])


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ({"role": "user", "content": "x", "mood": "good"}, UnknownField),
        ({"role": "user", "content": "x", "words": 3}, ValueRefused),
        ({"role": "user", "content": "x", "time": dt.datetime(2026, 1, 1)}, ValueRefused),  # noqa: DTZ001 - that is what is refused
        ("hello", ValueRefused),
    ],
    ids=["unknown", "derived", "naive", "text"],
)
async def test_a_message_that_is_none_is_refused(
    conversations: ConversationRepository,
    project: Project,
    message: Any,
    refused: type[Exception],
) -> None:
    key = (await conversations.create({"project_id": project.id})).id

    with pytest.raises(refused):
        await conversations.add_message(key, message)


async def test_what_does_not_exist_gets_no_message(conversations: ConversationRepository) -> None:
    with pytest.raises(NotFound, match="Conversation 99"):
        await conversations.add_message(99, HELLO)


async def test_a_database_stores_a_conversation_with_its_messages(
    database: Database, project_values: Callable[..., dict[str, Any]]
) -> None:
    project = await ProjectRepository(database).create(project_values())
    conversations = ConversationRepository(database)

    whole = await conversations.create({"project_id": project.id, "messages": [HELLO]})
    empty = await conversations.create({"project_id": project.id})
    instance = await conversations.create(Conversation(project_id=project.id, phase="review"))
    await conversations.add_message(empty.id, HELLO)

    assert (await conversations.get(whole.id)).message_count == 1
    assert (await conversations.get(empty.id)).messages[0]["tokens"] == 4
    assert instance.phase == "review"


async def test_messages_in_bulk_are_counted(session: Session, project: Project) -> None:
    rows = [{"project_id": project.id} for _ in range(6)]
    keys = (await bulk_create(session, Conversation, rows)).ids
    messages = [{"conversation_id": key, **HELLO} for key in keys[:5] for _ in range(2)]
    await bulk_create(session, ConversationMessage, messages)

    conversations = await ConversationRepository(session).get_by_project(project.id)

    counts = {each.id: (each.message_count, each.word_count) for each in conversations}
    assert counts == {**dict.fromkeys(keys[:5], (2, 6)), keys[5]: (0, 0)}


# ---- phases ---------------------------------------------------------------------------


async def test_a_conversation_goes_from_phase_to_phase(
    conversations: ConversationRepository, project: Project, frozen_clock: FrozenClock
) -> None:
    key = (await conversations.create({"project_id": project.id})).id

    frozen_clock.tick(90)
    await conversations.advance_phase(key)
    frozen_clock.tick(30)
    conversation = await conversations.advance_phase(key, "review")

    history = conversation.phase_history
    assert [(each["phase"], each["seconds"]) for each in history] == [
        ("project_idea", 90.0),
        ("requirements", 30.0),
        ("review", None),
    ]
    assert history[1]["left_at"] == history[2]["entered_at"] == conversation.phase_entered_at


async def test_a_phase_changed_in_bulk_is_history_as_well(
    session: Session,
    conversations: ConversationRepository,
    project: Project,
    frozen_clock: FrozenClock,
) -> None:
    key = (await conversations.create({"project_id": project.id})).id

    frozen_clock.tick(60)
    await bulk_update(session, Conversation, [{"id": key, "phase": "design"}])
    await bulk_update(session, Conversation, [{"id": key, "phase": "design"}])

    conversation = await conversations.get(key)
    seconds = [(each["phase"], each["seconds"]) for each in conversation.phase_history]
    assert seconds == [("project_idea", 60.0), ("design", None)]


async def test_the_last_phase_has_no_next(
    conversations: ConversationRepository, project: Project
) -> None:
    key = (await conversations.create({"project_id": project.id, "phase": "done"})).id

    with pytest.raises(ValueRefused, match="last phase"):
        await conversations.advance_phase(key)


async def test_an_unknown_phase_names_the_known_ones(
    conversations: ConversationRepository, project: Project
) -> None:
    key = (await conversations.create({"project_id": project.id})).id

    for refused in (
        conversations.advance_phase(key, "lunch"),
        conversations.update(key, {"phase": "lunch"}),
        conversations.create({"project_id": project.id, "phase": "lunch"}),
        conversations.get_by_phase("lunch"),
    ):
        with pytest.raises(ValueRefused, match="known are project_idea, requirements"):
            await refused


async def test_a_database_refuses_an_unknown_phase_as_well(
    database: Database, project_values: Callable[..., dict[str, Any]]
) -> None:
    project = await ProjectRepository(database).create(project_values())

    with pytest.raises(ValueRefused, match="known are project_idea"):
        await ConversationRepository(database).create({"project_id": project.id, "phase": "lunch"})


async def test_a_repository_may_have_other_phases(session: Session, project: Project) -> None:
    class Kanban(ConversationRepository):
        phases = (*PHASES, "retrospective")

    kanban = Kanban(session)
    key = (await kanban.create({"project_id": project.id, "phase": "done"})).id

    assert (await kanban.advance_phase(key)).phase == "retrospective"
    assert [each.id for each in await kanban.get_by_phase("retrospective")] == [key]


# ---- reading ----------------------------------------------------------------------------


async def test_the_read_schema_takes_a_conversation_as_it_is(
    conversations: ConversationRepository, project: Project
) -> None:
    created = await conversations.create({"project_id": project.id, "messages": [HELLO]})

    read = ConversationSchema.model_validate(await conversations.get_by_id(created.id))

    assert read.messages[0].content == "hello there you"
    assert read.phase_history[0].phase == "project_idea"


async def test_conversations_of_a_project_come_in_pages(
    conversations: ConversationRepository, project: Project, frozen_clock: FrozenClock
) -> None:
    for title in "abc":
        frozen_clock.tick(1)
        await conversations.create({"project_id": project.id, "title": title})

    page = await conversations.get_by_project(project.id, 2, 1)

    assert [each.title for each in page] == ["b", "a"]


async def test_a_viewer_meets_only_conversations_of_their_projects(
    session: Session,
    conversations: ConversationRepository,
    project: Project,
    project_values: Callable[..., dict[str, Any]],
) -> None:
    foreign = await ProjectRepository(session).create(project_values(owner="leo"))
    hidden = await conversations.create({"project_id": foreign.id})
    ana = ConversationRepository(session, viewer="ana")
    own = await ana.create({"project_id": project.id})

    assert [each.id for each in await ana.list()] == [own.id]
    with pytest.raises(NotFound):
        await ana.add_message(hidden.id, HELLO)
    with pytest.raises(NotFound, match=f"Project {foreign.id}"):
        await ana.create({"project_id": foreign.id})
    with pytest.raises(NotFound, match=f"Project {foreign.id}"):
        await ana.update(own.id, {"project_id": foreign.id})
    with pytest.raises(NotFound):
        await ana.bulk_create([{"project_id": foreign.id}])
