"""Reading what is outside: git clones, and files of rows, become records of projects."""

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
    EncodingRefused,
    FormatUnknown,
    GitMissing,
    HistoryRewritten,
    NamesRefused,
    NotARepository,
    PathMissing,
    ReadingInterrupted,
    RowError,
    RowsRefused,
    SourceDamaged,
    SourceMissing,
    SourceRefused,
)
from project_architect_db.importers.files import FilesReport, import_files
from project_architect_db.importers.github import GithubReport, import_github
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
    "EncodingRefused",
    "FileChange",
    "FilesReport",
    "FormatUnknown",
    "GitMissing",
    "GithubReport",
    "HistoryRewritten",
    "ImportReport",
    "Message",
    "NamesRefused",
    "NotARepository",
    "Notice",
    "NoticeKind",
    "PathMissing",
    "Person",
    "Phase",
    "ReadingInterrupted",
    "Release",
    "Remote",
    "RowError",
    "RowsRefused",
    "SourceDamaged",
    "SourceMissing",
    "SourceRefused",
    "import_clone",
    "import_files",
    "import_github",
    "read_clone",
]
