"""A search over everything: words, phrases, typos, filters, and who may see what.

Shows ``SearchRepository``: ranked hits with pieces of text, "did you mean", suggestions
while somebody types, and that a search sees what was committed right before it.

Prints what each question finds. Costs: a search of an index that is up to date asks the
database nothing; the first one after a write reads what has changed, and commits it to the
index, which takes as long as the disk needs to write about ten small files.

Edge cases: no text is a mistake; a filter that there is not names those there are; what a
text says as HTML is escaped; a viewer gets neither hits nor words of other projects.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from andamios_orm import run
from andamios_orm.exceptions import ValueRefused
from project_architect_db.core import DatabaseEngine
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)


async def fill(engine: DatabaseEngine) -> int:
    """A project, with something written and something said."""
    project = await ProjectRepository(engine).create(
        {"name": "Shop", "project_idea": "Sell scaffolds to people who build", "owner": "ana"}
    )
    documents = DocumentRepository(engine)
    for name, content in (
        ("Queue", "We chose a queue for <orders>, and a database for the rest."),
        ("Café plan", "The first draft of what we eat."),
    ):
        await documents.create({"project_id": project.id, "name": name, "content": content})
    said = ("Which database keeps our orders?", "The one that we know.")
    messages = [{"role": "user", "content": each} for each in said]
    await ConversationRepository(engine).create(
        {"project_id": project.id, "title": "Orders", "messages": messages}
    )
    return project.id


async def ask(search: SearchRepository, text: str) -> None:
    """What a question finds, as a terminal shows it."""
    results = await search.search(text)
    print(f"{text!r}: {results.total} found")
    if results.did_you_mean is not None:
        print(f"  did you mean {results.did_you_mean!r}?")
    for hit in results.hits:
        print(f"  {hit.kind} {hit.title!r}: {hit.marked('[', ']')}")


async def main() -> None:
    """Ask, filter, write and ask again."""
    with tempfile.TemporaryDirectory() as folder:
        async with DatabaseEngine(f"duckdb:///{Path(folder) / 'shop.duckdb'}") as engine:
            await engine.initialize()
            project = await fill(engine)
            search = SearchRepository(engine)
            for text in ("orders", '"first draft"', "data* -queue", "cafe", "databse", '"*-('):
                await ask(search, text)
            print("as HTML:", (await search.search("queue")).hits[0].snippet)
            print("titles:", [each.title for each in await search.suggest("or")])

            only = await search.search("orders", kinds=["conversation"], project_id=project)
            print("conversations about orders:", [hit.title for hit in only.hits])
            try:
                await search.search("orders", kinds=["poem"])
            except ValueRefused as error:
                print("refused:", error.reason)
            print(
                "bob finds", (await SearchRepository(engine, viewer="bob").search("orders")).total
            )

            await DocumentRepository(engine).create(
                {"project_id": project, "name": "Fresh paint", "content": "Orders of paint"}
            )
            await ask(search, "paint")
            status = await search.status()
            print("the index has", status.entries, "entries and lacks", status.behind)


if __name__ == "__main__":
    run(main())
