"""``ValueRefused`` and ``FileRefused``: paths of documents that lead out of their root.

Shows which paths are refused when they are stored, what is refused when a file is read or
written, the words of the errors, and the cures.

Prints each of them. Costs: a path is looked at without touching the disk; each folder on the
way of a file is opened by itself, so nobody can put a link there in between.

Edge cases: a path means the same on every system, so drives, back slashes and the names of
devices are refused on Linux as well; a file is written whole or not at all; what is no
UTF-8, or larger than 16 MB, is no document.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from andamios_orm import run
from andamios_orm.exceptions import ValueRefused
from project_architect_db.core import DatabaseEngine
from project_architect_db.exceptions import FileRefused
from project_architect_db.repositories import DocumentRepository, ProjectRepository

LEAD_OUT = (
    "../secret.txt",
    "docs/../../secret.txt",
    "/etc/passwd",
    "~/notes.md",
    "C:notes.md",
    "docs\\plan.md",
    "docs/nul",
    "docs//plan.md",
)


async def refused_at_once(documents: DocumentRepository, project_id: int) -> None:
    """These are never stored."""
    for path in LEAD_OUT:
        values = {"project_id": project_id, "name": "Plan", "file_path": path}
        try:
            await documents.create(values)
        except ValueRefused as error:
            print(f"  {path}: {error.reason.partition(': write')[0]}")


async def refused_later(documents: DocumentRepository, project_id: int, root: Path) -> None:
    """These are good paths, and the files behind them are not."""
    (root / "outside").symlink_to(root.parent)
    (root / "picture.md").write_bytes(b"\x89PNG\xff")
    for path in ("outside/secret.txt", "picture.md", "nowhere.md"):
        document = await documents.create(
            {"project_id": project_id, "name": "Plan", "file_path": path}
        )
        try:
            await documents.read_file(document.id)
        except FileRefused as error:
            print(f"  {error.path}: {error.reason}")


async def cured(documents: DocumentRepository, project_id: int) -> None:
    """A path below the root, written with slashes; the content may come from anywhere."""
    plan = await documents.create(
        {"project_id": project_id, "name": "Plan", "content": "# Plan\n", "file_path": "a/plan.md"}
    )
    print("  written:", await documents.write_file(plan.id), "bytes")
    print("  read again:", (await documents.read_file(plan.id)).strip())


async def main() -> None:
    """Try them below a folder that is removed afterwards."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        project = await ProjectRepository(engine).create(
            {"name": "Torre", "project_idea": "A tower with a view"}
        )
        with TemporaryDirectory() as folder:
            root = Path(folder)
            documents = DocumentRepository(engine, root=root)
            print("refused when they are stored:")
            await refused_at_once(documents, project.id)
            print("cured:")
            await cured(documents, project.id)
            print("refused when they are read:")
            await refused_later(documents, project.id, root)


if __name__ == "__main__":
    run(main())
