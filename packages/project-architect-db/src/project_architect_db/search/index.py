"""The index beside a DuckDB database: a folder, or memory, and one writer at a time.

How far it has come in the change feed is an entry of its own, written in the same commit:
the index and its position cannot disagree, whenever a process ends.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import MissingExtra
from project_architect_db.exceptions.database import SearchUnavailable
from project_architect_db.search.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from project_architect_db.search.entries import Entry

__all__ = ["FORMAT", "Index", "State", "Writing", "is_fault", "required"]

FORMAT: Final = 1
"""Raised when entries are made in another way: older indexes are made anew then."""

_STATE: Final = "state"
_HEAP: Final = 50_000_000
_PATIENCE: Final = 10.0
_POLL: Final = 0.01
# What tantivy names its files; others in the folder are not ours to remove.
_OURS: Final = re.compile(
    r"[0-9a-f]{32}\..+|meta\.json|\.managed\.json|\.tantivy-(?:writer|meta)\.lock|\.tmp\w+"
)


def required() -> Any:
    """Return tantivy.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import tantivy
    except ImportError:
        raise MissingExtra(
            "searching a DuckDB database needs tantivy: pip install 'project-architect-db[search]'"
        ) from None
    return tantivy


@dataclass(frozen=True, slots=True)
class State:
    """How far an index has come: the last change of the feed that is in it, and its time.

    The feed of another database, or of this one from before a restore, has another change
    there, or none.
    """

    position: int
    time: str | None
    format: int = FORMAT


class Index:
    """Entries of one database. Every method blocks; one thread writes, any may read."""

    def __init__(self, folder: Path | None) -> None:
        """Describe the index in ``folder``, or in memory; nothing is opened before ``open()``."""
        self.folder = folder
        self.tantivy = required()
        self.schema = self._schema()
        self.state: State | None = None
        """How far it has come; None while it has to be made anew."""
        self.searcher: Any = None
        self.has_talks = False
        """Whether there are conversations, whose messages are entries of their own."""
        self._index: Any = None

    # ---- opening -------------------------------------------------------------------

    def open(self) -> None:
        """Open what is there; what cannot be used is removed, and is to be made anew.

        Raises:
            SearchUnavailable: the folder cannot be read or written.
        """
        try:
            self._index = self._opened()
            self._reload()
            self.state = self._state()
        except BaseException as error:
            if not is_fault(error):
                raise
            self.reset()

    def is_there(self) -> bool:
        """Return whether nobody has removed it since it was opened."""
        return self.folder is None or (self.folder / "meta.json").exists()

    def reset(self) -> None:
        """Begin again with an empty index.

        Raises:
            SearchUnavailable: the folder cannot be read or written.
        """
        self.searcher = self._index = self.state = None
        with self._named():
            if self.folder is not None:
                _clear(self.folder)
            self._index = self._opened()
            self._reload()

    def _opened(self) -> Any:
        if self.folder is None:
            index = self.tantivy.Index(self.schema)
        else:
            with self._named():
                self.folder.mkdir(exist_ok=True)
                _remove_strays(self.folder)
            index = self.tantivy.Index(self.schema, path=str(self.folder))
        analyzer = self.tantivy.TextAnalyzerBuilder(self.tantivy.Tokenizer.whitespace()).build()
        index.register_tokenizer("words", analyzer)
        return index

    def _reload(self) -> None:
        self._index.reload()
        self.searcher = self._index.searcher()
        self.has_talks = self.searcher.search(self.term("kind", "conversation"), limit=1).count > 0

    def _state(self) -> State | None:
        found = self.document(_STATE, self.searcher)
        try:
            state = None if found is None else State(**found)
        except TypeError:
            return None
        return state if state is not None and state.format == FORMAT else None

    def _schema(self) -> Any:
        builder = self.tantivy.SchemaBuilder()
        for name in ("title", "body"):
            builder.add_text_field(name, tokenizer_name="words")
        for name in ("uid", "kind", "project", "conversation", "doc_type"):
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
        builder.add_unsigned_field("talk", fast=True)
        for name in ("number", "changed"):
            builder.add_integer_field(name, indexed=True, fast=True)
        for name in ("meta", "text"):
            builder.add_bytes_field(name, stored=True)
        return builder.build()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the folder in the errors of the system."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise SearchUnavailable(self.folder, str(error)) from error

    # ---- reading -------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many entries there are."""
        searcher = self.searcher
        return max(searcher.num_docs - 1, 0) if searcher is not None else 0

    @property
    def query(self) -> Any:
        """What makes queries."""
        return self.tantivy.Query

    def term(self, field: str, value: str) -> Any:
        """Return the query for entries with a word in a field."""
        return self.query.term_query(self.schema, field, value)

    def document(self, uid: str, searcher: Any) -> dict[str, Any] | None:
        """Return what is stored under a name, without the text, as ``searcher`` sees it."""
        hits = searcher.search(self.term("uid", uid), limit=1).hits
        return None if not hits else self.stored(searcher, hits[0][1])[0]

    def known(self, uids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what is stored under those of the names that are there."""
        searcher = self.searcher
        found = ((uid, self.document(uid, searcher)) for uid in uids)
        return {uid: meta for uid, meta in found if meta is not None}

    def between(self, kind: str, first: int, last: int) -> list[int]:
        """Return the keys of a kind that are there, from one to another."""
        searcher, must = self.searcher, self.tantivy.Occur.Must
        number = self.tantivy.FieldType.Integer
        numbers = self.query.range_query(self.schema, "number", number, first, last)
        query = self.query.boolean_query([(must, self.term("kind", kind)), (must, numbers)])
        hits = searcher.search(query, limit=max(searcher.num_docs, 1)).hits
        return [self.stored(searcher, address)[0]["id"] for _, address in hits]

    def stored(self, searcher: Any, address: Any) -> tuple[dict[str, Any], str]:
        """Return what is stored at an address, and the text."""
        document = searcher.doc(address)
        meta: dict[str, Any] = json.loads(bytes(document.get_first("meta")))
        text = document.get_first("text")
        return meta, bytes(text or b"").decode("utf-8", "surrogatepass")

    # ---- writing -------------------------------------------------------------------

    def writing(self) -> Writing:
        """Return a change of the index, which is seen when it is committed.

        Raises:
            SearchUnavailable: the folder cannot be written, or somebody else writes to it.
        """
        deadline = time.monotonic() + _PATIENCE
        with self._named():
            while True:
                try:
                    return Writing(self, self._index.writer(_HEAP, 1))
                except ValueError as error:
                    # The writer of an engine that was closed just now may still be at work.
                    if "LockBusy" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(_POLL)

    def committed(self, state: State) -> None:
        """Let the next search see what was committed, with ``state``."""
        with self._named():
            self._reload()
        self.state = state


def _remove_strays(folder: Path) -> None:
    """Remove the deletions that no commit names.

    A process that was killed has left them. Tantivy counts on from the last commit, wants
    the same names again, and does not write over a file.
    """
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        named = {
            f"{segment['segment_id'].replace('-', '')}.{segment['deletes']['opstamp']}.del"
            for segment in meta["segments"]
            if segment["deletes"]
        }
    except (OSError, ValueError, LookupError, TypeError):
        return  # there is no index yet, or none that can be used, as opening it will show
    for path in folder.glob("*.del"):
        if path.name not in named:
            path.unlink()


class Writing:
    """One change of an index: entries removed and added, and the position reached."""

    def __init__(self, index: Index, writer: Any) -> None:
        """Write through ``writer``, the only one there is."""
        self._index = index
        self._writer = writer
        by_term = getattr(writer, "delete_documents_by_term", None)
        self._delete = by_term if by_term is not None else writer.delete_documents

    def remove_all(self) -> None:
        """Remove all entries."""
        self._writer.delete_all_documents()

    def remove(self, field: str, values: Iterable[str]) -> None:
        """Remove the entries that have one of these values in a field."""
        for value in values:
            self._delete(field, value)

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries, which are not there or were removed before.

        Raises:
            SearchUnavailable: there is no room for them.
        """
        with self._index._named():  # noqa: SLF001 - its own index
            for entry in entries:
                self._writer.add_document(self._document(entry))

    def commit(self, state: State) -> None:
        """Store all of it with the position, and let the next search see it.

        Raises:
            SearchUnavailable: there is no room for it; the index is as it was.
        """
        document = self._index.tantivy.Document()
        document.add_text("uid", _STATE)
        document.add_bytes("meta", json.dumps(asdict(state)).encode())
        with self._index._named():  # noqa: SLF001 - its own index
            self._delete("uid", _STATE)
            self._writer.add_document(document)
            self._writer.commit()
        self._index.committed(state)

    def close(self) -> None:
        """Forget what was not committed, and wait for what goes on behind the scenes."""
        try:
            self._writer.wait_merging_threads()
        except (RuntimeError, ValueError):  # one that has failed has nothing to wait for
            return

    def _document(self, entry: Entry) -> Any:
        document = self._index.tantivy.Document()
        document.add_text("uid", entry.uid)
        document.add_text("kind", entry.kind)
        document.add_integer("number", entry.id)
        document.add_text("project", str(entry.project_id))
        document.add_integer("changed", round(entry.changed_at.timestamp() * 1_000_000))
        if entry.conversation_id is not None:
            document.add_text("conversation", str(entry.conversation_id))
            document.add_unsigned("talk", entry.conversation_id)
        if entry.doc_type is not None:
            document.add_text("doc_type", entry.doc_type)
        if entry.kind != "message":
            document.add_text("title", " ".join(words(f"{entry.title} {entry.path}")))
        document.add_text("body", " ".join(words(entry.text)))
        document.add_bytes("meta", _meta(entry))
        document.add_bytes("text", entry.text.encode("utf-8", "surrogatepass"))
        return document


def _meta(entry: Entry) -> bytes:
    shown = {
        "kind": entry.kind,
        "id": entry.id,
        "project_id": entry.project_id,
        "conversation_id": entry.conversation_id,
        "title": entry.title,
        "path": entry.path,
        "created_at": entry.created_at.isoformat(),
        "changed_at": entry.changed_at.isoformat(),
        "doc_type": entry.doc_type,
    }
    return json.dumps(shown).encode()


def is_fault(error: BaseException) -> bool:
    """Return whether an index is damaged; a panic of the library is no Exception."""
    return isinstance(error, (OSError, ValueError)) or type(error).__name__ == "PanicException"


def _clear(folder: Path) -> None:
    """Remove an index from a folder; what else is there stays."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
