"""Write and search without end, until somebody kills it: URL."""

from __future__ import annotations

import itertools
import sys

from andamios_orm import run
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)


async def main(url: str) -> None:
    """Write and search."""
    async with DatabaseEngine(url) as engine:
        projects, documents = ProjectRepository(engine), DocumentRepository(engine)
        talks, search = ConversationRepository(engine), SearchRepository(engine)
        project = await projects.create({"name": "It", "project_idea": "kept by a child"})
        talk = await talks.create({"project_id": project.id, "title": "Talk"})
        for number in itertools.count():
            values = {"project_id": project.id, "name": f"n{number}", "content": "before"}
            document = await documents.create(values)
            await talks.add_message(talk.id, {"role": "user", "content": f"said {number}"})
            if number % 3 == 0:
                await documents.update(document.id, {"content": "behind"})
            if number % 5 == 0:
                await documents.delete(document.id)
            await search.search("before")
            if number == 3:
                print("going", flush=True)  # noqa: T201 - the parent waits for it


run(main(sys.argv[1]))
