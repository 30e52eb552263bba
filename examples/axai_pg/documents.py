"""Documents of an organisation: written, changed, shared, found, related, written down.

Shows ``RepositoryFactory`` and the repositories that it has: versions with who and why, the
status workflow, a viewer who sees what was shared with them, search with the piece that was
found, topics, summaries, the graph, and the export.

Prints what each step finds. Costs: a change is the update of one row and the insert of what it
was; a search reads the index of one organisation and the contents of the few hits; a walk
through the graph is one statement.

Edge cases: a status that does not follow is refused with those that do; a viewer who may only
read changes nothing; another organisation finds nothing, whatever it asks for.

It starts a PostgreSQL of its own, as the tests do.
"""

from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING

from andamios_orm import run
from andamios_orm.exceptions import NotFound
from axai_pg.data.models import Organization
from axai_pg.data.repositories import DocumentRepository, RepositoryFactory
from axai_pg.exceptions import NotPermitted, PrivilegedLoginUsed, StatusRefused
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig

if TYPE_CHECKING:
    from axai_pg.data.config import DatabaseManager
    from axai_pg.data.models import Document

ACME, GLOBEX, ANA = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()


async def write(repositories: RepositoryFactory) -> Document:
    """Make a document with a summary, change it, and publish it."""
    ana = repositories.users.model(id=ANA, username="ana", email="ana@acme.example")
    await repositories.users.create(ana)
    documents = repositories.documents
    plan = await documents.create_with_summary(
        {"title": "Plan", "content": "Plant oaks by the river.\n", "owner_id": ANA},
        {"content": "Oaks", "tool_agent": "summarizer", "confidence_score": 0.9},
    )
    await documents.update_with_version(plan.id, {"content": "Plant elms.\n"}, "elms are cheaper")
    print((await documents.diff(plan.id, 1)).patch)
    await documents.restore_version(plan.id, 1)
    await documents.set_status(plan.id, "published")
    await documents.set_status(plan.id, "archived")
    try:
        await documents.set_status(plan.id, "published")
    except StatusRefused as refused:
        print(refused)
    for entry in await documents.versions(plan.id):
        print(entry.version, entry.status, entry.change_description)
    return plan


async def share(repositories: RepositoryFactory, plan: Document) -> None:
    """Let somebody read a document, who changes nothing then."""
    bo = await repositories.users.create({"username": "bo", "email": "bo@acme.example"})
    viewed = DocumentRepository(repositories.session, viewer=bo.id)
    print("before:", await viewed.count())
    await repositories.documents.share(plan.id, "read", user_id=bo.id)
    print("shared:", [document.title for document in await viewed.list()])
    try:
        await viewed.update(plan.id, {"title": "Mine"})
    except NotPermitted as refused:
        print(type(refused).__name__, refused.action)


async def find(repositories: RepositoryFactory, plan: Document) -> None:
    """Find documents by words, by topic and by what they speak of."""
    documents, topics, graph = repositories.documents, repositories.topics, repositories.graph
    for hit in await documents.search("oak"):
        print(hit.title, hit.html)
    trees = await topics.create({"name": "Trees"})
    oaks = await topics.create({"name": "Oaks", "parent_topic_id": trees.id})
    await topics.assign(oaks.id, plan.id, "classifier", relevance_score=0.8)
    print([each.title for each in await documents.find_by_topic(trees.id, max_depth=1)])
    map_ = await documents.create({"title": "Map", "owner_id": ANA})
    oak, river = [
        await graph.create(
            {"name": name, "node_type": "thing", "created_by_tool": "t", "document_id": key}
        )
        for name, key in (("oak", plan.id), ("river", map_.id))
    ]
    await graph.relate(oak.id, river.id, {"relationship_type": "near", "created_by_tool": "t"})
    for related in await documents.find_related_documents(plan.id):
        print(related.document.title, related.depth)
    print(len([line async for line in documents.export()]), "lines")


async def main(manager: DatabaseManager) -> None:
    """Do all of it in one organisation, and look for it from another."""
    for org_id, name in ((ACME, "Acme"), (GLOBEX, "Globex")):
        async with RepositoryFactory.scope(manager, org_id) as repositories:
            await repositories.organizations.create(Organization(id=org_id, name=name))
    async with RepositoryFactory.scope(manager, ACME, ANA) as repositories:
        plan = await write(repositories)
        await share(repositories, plan)
        await find(repositories, plan)
    async with RepositoryFactory.scope(manager, GLOBEX) as repositories:
        print("Globex finds", await repositories.documents.search("oak"))
        try:
            await repositories.documents.versions(plan.id)
        except NotFound as error:
            print(error)


if __name__ == "__main__":
    warnings.simplefilter("ignore", PrivilegedLoginUsed)  # a service has a login of its own
    with temporary_server() as config:
        options = DatabaseInitializerConfig(config, auto_drop_on_exit=True)
        with DatabaseInitializer(options) as initializer:
            initializer.setup_database()
            run(main(initializer.get_database_manager()))
