"""Contents of files, by their ids in the object database of a clone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from project_architect_db.importers.errors import CloneDamaged
from project_architect_db.importers.plumbing import Git, Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

__all__ = ["Blob", "Blobs"]

_PATIENT: Final = 50
_GROUP: Final = 100  # ids that fit into a pipe, so that nobody waits for the other


class Blob(NamedTuple):
    """One content: ``size`` is None where it is missing, ``content`` also where it is too large."""

    size: int | None = None
    content: bytes | None = None


class Blobs:
    """Reads contents by their ids, with one git that stays open.

    What is damaged, or was never fetched, ends that git; another one takes over. After
    ``_PATIENT`` of them the rest counts as missing: a partial clone may lack thousands.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._ended = 0
        self._pending = 0  # what was asked for and is not yet answered
        self._process = self._start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End git."""
        self._process.close()

    def read(self, blob: str, limit: int) -> Blob:
        """Return a content of at most ``limit`` bytes.

        Raises:
            ReadingInterrupted: git was ended from outside.
        """
        return next(self.read_all([blob], limit))

    def read_all(self, ids: Sequence[str], limit: int) -> Iterator[Blob]:
        """Yield contents of at most ``limit`` bytes, in this order.

        Git is asked for some at once, and works while the first are used.

        Raises:
            ReadingInterrupted: git was ended from outside.
        """
        if self._pending:  # an earlier caller did not want all that it asked for
            self._restart()
        for place in range(len(ids)):
            if self._ended > _PATIENT:
                yield Blob()
                continue
            if not self._pending:
                self._ask(ids[place : place + _GROUP])
            yield self._answer(limit)

    def _ask(self, ids: Sequence[str]) -> None:
        self._process.write("".join(f"{each}\n" for each in ids).encode())
        self._pending = len(ids)

    def _answer(self, limit: int) -> Blob:
        try:
            size = _size(self._process.read_line())
            if size is None or size <= limit:
                self._pending -= 1
                return Blob() if size is None else Blob(size, self._process.read(size + 1)[:-1])
        except CloneDamaged:
            self._ended += 1
            size = None
        self._restart()  # for what is too large, too: cheaper than to let it print all of that
        return Blob(size)

    def _start(self) -> Process:
        return Process(self._git, ("cat-file", "--batch"))

    def _restart(self) -> None:
        self._process.close()
        self._process = self._start()
        self._pending = 0


def _size(answer: bytes) -> int | None:
    """Return the size in an answer of ``git cat-file``.

    >>> _size(b"45b983be36b73c0788dc9cbcb76cbb80fc7bb057 blob 3")
    3
    >>> _size(b"45b983be36b73c0788dc9cbcb76cbb80fc7bb057 missing")
    """
    last = answer.rpartition(b" ")[2]
    return int(last) if last.isdigit() else None
