"""What was read of a clone as values of columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from project_architect_db.models.conversation import PHASES
from project_architect_db.models.repository import RepositoryType

if TYPE_CHECKING:
    from project_architect_db.importers.clone import CloneReading
    from project_architect_db.importers.documents import DocumentVersion

__all__ = ["LONGEST", "added_up", "content_of", "idea_of", "named", "order_of", "type_of"]

LONGEST: Final = 255
"""Characters of a name."""
_LEAST_IDEA: Final = 10
_MOST_IDEA: Final = 10_000
_LANGUAGES: Final = {
    RepositoryType.DOCS: {"Markdown", "reStructuredText", "TeX", "AsciiDoc"},
    RepositoryType.INFRASTRUCTURE: {"HCL", "Dockerfile", "YAML", "Nix", "Puppet"},
    RepositoryType.FRONTEND: {"JavaScript", "TypeScript", "HTML", "CSS", "Vue", "Svelte", "Dart"},
}


def named(path: str) -> dict[str, Any]:
    """Return where a document is."""
    return {"name": Path(path).name[:LONGEST], "file_path": path}


def content_of(version: DocumentVersion) -> dict[str, Any]:
    """Return what a document was in one version, and who changed it."""
    return {
        "content": version.content,
        "changed_at": version.changed_at,
        "changed_by": version.author[:LONGEST] or None,
        "note": version.subject[:1_000] or None,
        "revision": version.commit,
    }


def added_up(before: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a contributor or a day becomes with more of it."""
    changed = {name: getattr(before, name) + row[name] for name in ("commits", "added", "removed")}
    if "authors" in row:
        return {**changed, "authors": row["authors"]}
    return {
        **changed,
        "first_at": min(before.first_at, row["first_at"]),
        "last_at": max(before.last_at, row["last_at"]),
        "name": row["name"] if row["last_at"] >= before.last_at else before.name,
    }


def idea_of(reading: CloneReading) -> str:
    """Return what the project is about: its readme, or what there is of it."""
    told = (reading.readme.strip() or reading.description).replace("\0", "")[:_MOST_IDEA]
    if len(told) >= _LEAST_IDEA:
        return told
    return f"{told} ({reading.name}, imported from a clone)".strip()


def type_of(languages: dict[str, int]) -> RepositoryType:
    """Return what most of the bytes of a repository are."""
    total = sum(languages.values())
    for kind, names in _LANGUAGES.items():
        if 2 * sum(size for name, size in languages.items() if name in names) > total:
            return kind
    return RepositoryType.BACKEND


def order_of(phase: str) -> int:
    """Return the place of a phase, which is last where it is none of the known ones."""
    return PHASES.index(phase) if phase in PHASES else len(PHASES)
