"""What to do about the errors of this package, for the command ``explain``."""

from __future__ import annotations

from typing import Final

from project_architect_db.exceptions import FileRefused, SearchUnavailable
from project_architect_db.importers import errors

__all__ = ["ERRORS", "REMEDIES"]

REMEDIES: Final = {
    "CloneDamaged": "Let git mend it: git fsck, or a new clone. Then import that.",
    "CloneRefused": "The message says which clone, and what is wrong with it.",
    "EmptyRepository": "Commit something first, or check a branch out that has commits.",
    "EncodingRefused": "Name the encoding that the file is in, such as latin-1.",
    "FileRefused": "The message says which file; a document stays below its root.",
    "FormatUnknown": "Name the format: one of those in known.",
    "GitMissing": "Install git, and have it on the PATH.",
    "HistoryRewritten": (
        "Check the branch out that was imported. If its history is really another one, delete "
        "the project and import the clone anew."
    ),
    "NamesRefused": "Say which field each column is, or leave it out; known lists the fields.",
    "NotARepository": "Name the folder that holds .git, the root of the clone.",
    "PathMissing": "Name a folder that is there; a path counts from where the command runs.",
    "ReadingInterrupted": "Import it again: nothing was stored.",
    "RowsRefused": "Mend the rows that errors names, and import the file again.",
    "SearchUnavailable": "The message says what stands in the way of the index of the search.",
    "SourceDamaged": "Write the file anew; the message says where it is not what it should be.",
    "SourceMissing": "Name a file that is there, and that may be read.",
    "SourceRefused": "The message says which file, and what is wrong with it.",
}
"""By the name of the error's class."""

_HERE: Final = {"FileRefused": FileRefused, "SearchUnavailable": SearchUnavailable}
ERRORS: Final = {name: _HERE.get(name) or getattr(errors, name) for name in REMEDIES}
"""The classes, by name."""
