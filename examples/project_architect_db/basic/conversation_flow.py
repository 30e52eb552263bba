"""A conversation from its first message to its last phase.

Shows ``ConversationRepository``: messages that are appended, corrected and removed, phases in
their order with the time spent in each, who is stuck in a phase, and phases of one's own.

Prints the conversation as it goes on. Costs: a message is one row, so one more takes as many
statements after a thousand messages as after ten (the example counts them); a phase that is
left is one row more; reading a conversation by key takes three statements.

Edge cases: a phase that there is none of names those there are; the last phase has no next;
lists load no messages, and touching them there raises ``NotLoaded``; who sends a message
changes no version of the conversation, so its title may be edited meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from andamios_orm import run
from andamios_orm.exceptions import NotLoaded, ValueRefused
from project_architect_db.core import DatabaseEngine
from project_architect_db.repositories import ConversationRepository, ProjectRepository
from project_architect_db.schemas import ConversationCreate, ConversationSchema, MessageCreate

if TYPE_CHECKING:
    from project_architect_db.models import Conversation


class ShortConversations(ConversationRepository):
    """Conversations of a team that has three phases only."""

    phases: ClassVar[tuple[str, ...]] = ("idea", "work", "done")


async def manage_conversation_example(engine: DatabaseEngine, project_id: int) -> Conversation:
    """Talk, correct what was said, and go on to the next phase."""
    conversations = ConversationRepository(engine)
    talk = await conversations.create(
        ConversationCreate(
            project_id=project_id,
            title="Where to begin",
            messages=[MessageCreate(role="user", content="Which database?", tokens=3)],
        )
    )
    answer = await conversations.add_message(
        talk.id, {"role": "assistant", "content": "DuckDB, and PostgreSQL latr.", "tokens": 8}
    )
    await conversations.update_message(
        talk.id, answer.id, {"content": "DuckDB, and PostgreSQL later."}
    )
    twice = await conversations.add_message(talk.id, MessageCreate(role="user", content="Thanks"))
    await conversations.delete_message(talk.id, twice.id)
    await conversations.advance_phase(talk.id)  # the next one
    await conversations.advance_phase(talk.id, "design")  # or one that is named
    talk = await conversations.get(talk.id)
    for message in talk.messages:
        print(f"  {message['role']}: {message['content']}")
    print("phases:", [each["phase"] for each in talk.phase_history])
    print("counted:", talk.message_count, "messages,", talk.token_count, "tokens")
    return talk


async def append_to_a_long_one(engine: DatabaseEngine, key: int) -> None:
    """One message more: the same statements, however many there are."""
    conversations, counters = ConversationRepository(engine), engine.observer.counters
    sent = []
    for more in (8, 990):
        many = [{"role": "user", "content": f"Question {number}"} for number in range(more)]
        await conversations.add_messages(key, many)
        before = counters.statements
        await conversations.add_message(key, {"role": "assistant", "content": "Yes."})
        sent.append(counters.statements - before)
    count = (await conversations.get_by_id(key, load=())).message_count  # type: ignore[union-attr]  # it is there
    print(f"statements for one more message: {sent[0]} after ten, {sent[1]} after {count - 1:,}")
    assert sent[0] == sent[1]


async def what_is_refused(engine: DatabaseEngine, key: int) -> None:
    """A phase that there is none of, a phase after the last, messages that were not loaded."""
    conversations = ConversationRepository(engine)
    try:
        await conversations.advance_phase(key, "lunch")
    except ValueRefused as error:
        print("refused:", error.reason)
    await conversations.advance_phase(key, "done")
    try:
        await conversations.advance_phase(key)
    except ValueRefused as error:
        print("refused:", error.reason)
    [listed] = await conversations.get_by_phase("done")
    try:
        print(listed.messages)
    except NotLoaded as error:
        print("not loaded:", str(error).splitlines()[0])
    [listed] = await conversations.list(load=["entries"], phase="done")
    print("loaded:", len(listed.messages), "messages")


async def phases_of_ones_own(engine: DatabaseEngine, project_id: int) -> None:
    """A subclass knows other phases, in its own order."""
    conversations = ShortConversations(engine)
    talk = await conversations.create({"project_id": project_id, "phase": "idea"})
    talk = await conversations.advance_phase(talk.id)
    read = ConversationSchema.model_validate(await conversations.get(talk.id))
    print("of one's own:", [each.phase for each in read.phase_history])


async def main() -> None:
    """Run the steps on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        project = await ProjectRepository(engine).create(
            {"name": "Andamios", "project_idea": "A scaffold for the data of a team"}
        )
        talk = await manage_conversation_example(engine, project.id)
        await append_to_a_long_one(engine, talk.id)
        await what_is_refused(engine, talk.id)
        await phases_of_ones_own(engine, project.id)


if __name__ == "__main__":
    run(main())
