"""Documents: written, changed, compared, taken back, found, counted, kept in files.

Shows ``DocumentRepository``: versions with their authors and notes, ``diff`` and
``restore_version``, ``search_content``, how often a document is read, and the files below a
root folder.

Prints what each step finds. Costs: a new content is the update of one row and the insert of
the earlier content; reading a list of versions reads no contents; ``search_content`` reads
every document, which is fine for thousands and not for millions.

Edge cases: the same content again is no version; a restore is a version too, so nothing is
lost by it; a ``file_path`` that leads out of the root is refused when it is stored, a
link on the way when it is followed; without a root files are neither read nor written.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from andamios_orm import run
from andamios_orm.exceptions import ConfigurationError, NotFound, ValueRefused
from andamios_orm.models import acting_as
from project_architect_db.core import DatabaseEngine
from project_architect_db.exceptions import FileRefused
from project_architect_db.models import DocumentType
from project_architect_db.repositories import DocumentRepository, ProjectRepository
from project_architect_db.schemas import DocumentCreate


async def versions(documents: DocumentRepository, project_id: int) -> int:
    """Write a document, change it twice, compare, and take the last change back."""
    with acting_as("ana"):
        plan = await documents.create(
            DocumentCreate(
                project_id=project_id,
                name="Plan",
                doc_type=DocumentType.ARCHITECTURE,
                content="# Plan\n\nOne service.\n",
                file_path="docs/plan.md",
            )
        )
        await documents.add_version(plan.id, "# Plan\n\nTwo services.\n", note="split")
    with acting_as("eva"):
        await documents.add_version(plan.id, "# Plan\n\nTen services.\n", note="split again")
        await documents.add_version(plan.id, "# Plan\n\nTen services.\n")  # the same: no version
    for each in await documents.versions(plan.id):
        mark = "*" if each.is_current else " "
        print(f" {mark}{each.number} {each.changed_by}: {each.note or 'written'}")
    print(await documents.diff(plan.id, 2), end="")
    restored = await documents.restore_version(plan.id, 2)
    print("restored:", restored.content.splitlines()[-1], "-", restored.note)
    try:
        await documents.content_of(plan.id, 9)
    except NotFound as error:
        print("no such version:", error)
    return plan.id


async def found_and_counted(documents: DocumentRepository, key: int, project_id: int) -> None:
    """Find documents by their words, and say who has read them."""
    await documents.create({"project_id": project_id, "name": "Notes", "content": "Ten beams"})
    print("found:", [each.name for each in await documents.search_content("two SERVICES")])
    print("by type:", [each.name for each in await documents.get_by_type("architecture")])
    for reader in ("ana", "eva", "ana"):
        await documents.record_access(key, reader)
    usage = await documents.usage_stats(project_id)
    most = usage.most_read[0]
    print(f"used: {usage.documents} documents, {usage.words} words, {usage.accesses} accesses;")
    print(f"  most read is {most.name}, {most.accesses} times")


async def files(engine: DatabaseEngine, key: int, folder: Path) -> None:
    """Write the content into its file, read a file that somebody else has changed."""
    documents = DocumentRepository(engine, root=folder)
    size = await documents.write_file(key)
    print("written:", size, "bytes to", (await documents.get(key)).file_path)
    (folder / "docs" / "plan.md").write_text("# Plan\n\nWritten by hand.\n", encoding="utf-8")
    await documents.add_version(key, await documents.read_file(key), note="from the file")
    print("taken over:", (await documents.get(key)).content.splitlines()[-1])


async def what_is_refused(engine: DatabaseEngine, key: int, folder: Path) -> None:
    """Paths and links that lead out, and files without a root."""
    documents = DocumentRepository(engine, root=folder)
    for path in ("../secret.txt", "/etc/passwd", "docs//plan.md"):
        try:
            await documents.update(key, {"file_path": path})
        except ValueRefused as error:
            print(f"refused: {path}: {error.reason.partition(':')[0]}")
    (folder / "elsewhere").symlink_to(folder.parent)
    await documents.update(key, {"file_path": "elsewhere/secret.txt"})
    try:
        await documents.read_file(key)
    except FileRefused as error:
        print("refused:", error)
    try:
        await DocumentRepository(engine).read_file(key)
    except ConfigurationError as error:
        print("refused:", str(error).splitlines()[0])


async def main() -> None:
    """Run the steps on a database in memory and a folder that is removed afterwards."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        project = await ProjectRepository(engine).create(
            {"name": "Andamios", "project_idea": "A scaffold for the data of a team"}
        )
        documents = DocumentRepository(engine)
        key = await versions(documents, project.id)
        await found_and_counted(documents, key, project.id)
        with TemporaryDirectory() as folder:
            await files(engine, key, Path(folder))
            await what_is_refused(engine, key, Path(folder))


if __name__ == "__main__":
    run(main())
