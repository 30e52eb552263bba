"""Reading what is outside: a local git clone becomes the records of a project."""

from project_architect_db.importers.activity import (
    Activity,
    Branch,
    Contributor,
    Day,
    Release,
    Remote,
)
from project_architect_db.importers.architecture import Architecture
from project_architect_db.importers.clone import CloneReading, read_clone
from project_architect_db.importers.documents import Document, DocumentType, DocumentVersion
from project_architect_db.importers.errors import (
    CloneDamaged,
    CloneRefused,
    EmptyRepository,
    GitMissing,
    HistoryRewritten,
    NotARepository,
    PathMissing,
    ReadingInterrupted,
)
from project_architect_db.importers.history import Commit, FileChange, Person
from project_architect_db.importers.phases import Conversation, Message, Phase
from project_architect_db.importers.storing import ImportReport, import_clone
from project_architect_db.importers.tree import Notice, NoticeKind

__all__ = [
    "Activity",
    "Architecture",
    "Branch",
    "CloneDamaged",
    "CloneReading",
    "CloneRefused",
    "Commit",
    "Contributor",
    "Conversation",
    "Day",
    "Document",
    "DocumentType",
    "DocumentVersion",
    "EmptyRepository",
    "FileChange",
    "GitMissing",
    "HistoryRewritten",
    "ImportReport",
    "Message",
    "NotARepository",
    "Notice",
    "NoticeKind",
    "PathMissing",
    "Person",
    "Phase",
    "ReadingInterrupted",
    "Release",
    "Remote",
    "import_clone",
    "read_clone",
]
