"""What to do about the errors of this package, for the command ``explain``."""

from __future__ import annotations

from typing import Final

from project_architect_db.exceptions import FileRefused
from project_architect_db.importers import errors

__all__ = ["ERRORS", "REMEDIES"]

REMEDIES: Final = {
    "CloneDamaged": "Let git mend it: git fsck, or a new clone. Then import that.",
    "CloneRefused": "The message says which clone, and what is wrong with it.",
    "EmptyRepository": "Commit something first, or check a branch out that has commits.",
    "FileRefused": "The message says which file; a document stays below its root.",
    "GitMissing": "Install git, and have it on the PATH.",
    "HistoryRewritten": (
        "Check the branch out that was imported. If its history is really another one, delete "
        "the project and import the clone anew."
    ),
    "NotARepository": "Name the folder that holds .git, the root of the clone.",
    "PathMissing": "Name a folder that is there; a path counts from where the command runs.",
    "ReadingInterrupted": "Import it again: nothing was stored.",
}
"""By the name of the error's class."""

ERRORS: Final = {
    name: FileRefused if name == "FileRefused" else getattr(errors, name) for name in REMEDIES
}
"""The classes, by name."""
