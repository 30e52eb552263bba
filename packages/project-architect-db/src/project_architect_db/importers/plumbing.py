"""How git is asked about a local clone, without letting the clone have a say in it.

A clone may come from anywhere, and its ``.git/config`` can name programs that git runs
by itself: file system monitors, external diffs, signature checkers, aliases, transports
that fetch what is missing. Every call here goes to a built-in command by an argument
list, with those switched off, without the user's own configuration, and without a
network. What is ours is read from the object database; no file of the working tree is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, cast

from project_architect_db.importers.errors import (
    CloneDamaged,
    CloneRefused,
    GitMissing,
    NotARepository,
    PathMissing,
    ReadingInterrupted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from io import BufferedReader
    from pathlib import Path

__all__ = ["CHUNK", "Git", "Process", "open_git"]

CHUNK: Final = 1 << 16
"""Bytes that are read from git at a time."""

_COMPLAINT: Final = 1 << 14
_KEPT: Final = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
_OURS: Final = {
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone fetches what is missing
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # its complaints are told apart by their words
    "TZ": "UTC",
}
_SETTINGS: Final = (
    "safe.directory=*",  # its owner may be another user: nothing of it is run
    "core.attributesFile=" + os.devnull,
    "core.fsmonitor=false",
    "core.hooksPath=" + os.devnull,
    "core.pager=cat",
    "diff.external=",
    "i18n.logOutputEncoding=UTF-8",
    "log.showRoot=true",
    "log.showSignature=false",
)


@dataclass(frozen=True, slots=True)
class Git:
    """One local clone, asked by running git.

    ``patience`` is how many seconds git may say nothing while it is waited for; after
    that the clone counts as damaged. ``said`` collects what git warned about.
    """

    path: Path
    program: str
    patience: float = 120.0
    said: list[str] = field(default_factory=list, compare=False)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of one call."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        start = [self.program, "--no-pager", "--no-optional-locks", "-C", str(self.path)]
        return [*start, *settings, *arguments]

    def stream(self, *arguments: str, given: bytes = b"") -> Generator[bytes]:
        """Yield what git prints, in pieces as they come; ``given`` is what it reads.

        Raises:
            CloneDamaged: git gave up, or never answered.
            ReadingInterrupted: git was ended from outside.
        """
        with closing(Process(self, arguments)) as process:
            process.write(given)
            process.end_of_input()
            while chunk := process.read_some():
                yield chunk
            process.finish()

    def run(self, *arguments: str) -> bytes:
        """Return all that git prints.

        Raises:
            CloneDamaged: git gave up, or never answered.
            ReadingInterrupted: git was ended from outside.
        """
        return b"".join(self.stream(*arguments))

    def line(self, *arguments: str) -> str:
        """Return the one line that git prints, or nothing where it says that there is none.

        Raises:
            ReadingInterrupted: git was ended from outside.
        """
        try:
            return self.run(*arguments).decode(errors="replace").rstrip("\n")
        except CloneDamaged:
            return ""

    def agrees(self, *arguments: str) -> bool:
        """Return whether git answers a question with yes, by its exit status.

        Raises:
            ReadingInterrupted: git was ended from outside.
        """
        try:
            self.run(*arguments)
        except CloneDamaged:
            return False
        return True


class Process:
    """One git that runs, and is ended when it does not answer in time."""

    def __init__(self, git: Git, arguments: Sequence[str]) -> None:
        self._git = git
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._process = _start(git, arguments, self._complaints)
        self._since: float | None = None
        self._expired = False
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._watch_out, name="git", daemon=True)
        self._watch.start()

    def write(self, given: bytes) -> None:
        """Give git something to read, unless it has ended; ``finish`` tells why."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(BrokenPipeError):
            self._process.stdin.write(given)
            self._process.stdin.flush()

    def end_of_input(self) -> None:
        """Tell git that nothing more will be given."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def read_some(self) -> bytes:
        """Return what is there, at most ``CHUNK`` bytes; nothing at the end."""
        return self._waiting(lambda output: output.read1(CHUNK))

    def read_line(self) -> bytes:
        """Return one line.

        Raises:
            CloneDamaged: there is none.
            ReadingInterrupted: git was ended from outside.
        """
        line = self._waiting(lambda output: output.readline())
        if not line.endswith(b"\n"):
            self._fail()
        return line[:-1]

    def read(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            CloneDamaged: there are fewer.
            ReadingInterrupted: git was ended from outside.
        """
        found = self._waiting(lambda output: output.read(size))
        if len(found) < size:
            self._fail()
        return found

    def finish(self) -> None:
        """Wait for the end, and keep what git warned about.

        Raises:
            CloneDamaged: git gave up, or never answered.
            ReadingInterrupted: git was ended from outside.
        """
        self._waiting(lambda _output: self._process.wait().to_bytes(4, "big", signed=True))
        if self._process.returncode:
            self._fail()
        self._git.said.extend(self._complained())

    def close(self) -> None:
        """End git if it still runs, and give back what it held."""
        self._over.set()
        self._process.kill()
        self._process.wait()
        self.end_of_input()
        for pipe in (self._process.stdout, self._complaints):
            assert pipe is not None  # noqa: S101 - a pipe was asked for
            pipe.close()
        self._watch.join()

    def _fail(self) -> None:
        """Raise what explains that git has ended, or ended too early."""
        self._process.wait()
        code = self._process.returncode
        lines = self._complained()
        if self._expired:
            reason = f"git said nothing for {self._git.patience:g} seconds and was ended"
            raise CloneDamaged(self._git.path, f"{reason}; check it with 'git fsck'")
        if code < 0:
            reason = f"git was ended by signal {-code} while it was read; run the import again"
            raise ReadingInterrupted(self._git.path, reason)
        raise _fault(self._git.path, lines)

    def _complained(self) -> list[str]:
        self._complaints.seek(0)
        text = self._complaints.read(_COMPLAINT).decode(errors="replace")
        return [line for line in text.splitlines() if line]

    def _waiting(self, read: Callable[[BufferedReader], bytes]) -> bytes:
        """Return what ``read`` gets from git, which has ``patience`` seconds for it."""
        output = cast("BufferedReader", self._process.stdout)  # which is what Popen makes
        self._since = time.monotonic()
        try:
            return read(output)
        finally:
            self._since = None

    def _watch_out(self) -> None:
        """End git when it is waited for too long; a slow reader of ours costs it nothing."""
        patience = self._git.patience
        while not self._over.wait(min(1.0, patience / 4)):
            since = self._since
            if since is not None and time.monotonic() - since > patience:
                self._expired = True
                self._process.kill()
                return


def _start(git: Git, arguments: Sequence[str], complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    # Of the environment git gets what it is found and runs by, and nothing that steers it.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        return subprocess.Popen(
            git.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**kept, **_OURS, "GIT_CEILING_DIRECTORIES": str(git.path.parent)},
        )
    except OSError as error:
        complaints.close()
        raise GitMissing(git.path, f"{git.program} cannot be run: {error.strerror}") from error


def _fault(path: Path, lines: Sequence[str]) -> CloneRefused:
    """Return the error for what git has said at last."""
    marked = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    said = (marked or [*lines, "git gave no reason"])[-1].partition(": ")
    reason = (said[2] or said[0])[:300]
    if "not a git repository" in reason:
        return _no_root(path)
    return CloneDamaged(path, f"git cannot read it ({reason}); check it with 'git fsck'")


def _no_root(path: Path) -> NotARepository:
    reason = "it is not the root of a git repository: give the folder that holds .git"
    return NotARepository(path, reason)


def open_git(path: Path, *, patience: float = 120.0) -> Git:
    """Return how to ask git about the clone whose root ``path`` is.

    A folder inside of a clone is refused: a damaged clone inside of another one would
    be taken for the outer one.

    Raises:
        PathMissing: there is no such folder.
        GitMissing: git is not installed.
        NotARepository: it is no repository.
        CloneDamaged: git cannot even open it.
    """
    if not path.is_dir():
        kind = "it is a file: give the folder of a clone" if path.exists() else "no such folder"
        raise PathMissing(path, kind)
    program = shutil.which("git")
    if program is None:
        raise GitMissing(path, "git is not on the PATH: install it to import from clones")
    git = Git(path.resolve(), program, patience)
    if git.run("rev-parse", "--show-prefix").strip():
        raise _no_root(git.path)
    return git
