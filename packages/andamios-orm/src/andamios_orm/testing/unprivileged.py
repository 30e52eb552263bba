"""The user that a PostgreSQL server for tests runs as, and where that user can write."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["account", "hand_over", "open_to_all", "scratch_base", "unprivileged_user"]

# A path of a Unix socket has at most 107 bytes; the server appends "/.s.PGSQL.5432.lock".
_LONGEST_SOCKET_FOLDER = 80


def unprivileged_user() -> str | None:
    """Return the user a server started by root drops to; None if we are not root.

    ``nobody`` before ``postgres``: the latter may own a cluster of this machine,
    and whoever runs the tests is a superuser of the test server.
    """
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("nobody", "postgres"):
        if name in names:
            return name
    message = "PostgreSQL does not run as root and there is no user nobody: run as another user"
    raise RuntimeError(message)


def scratch_base() -> Path:
    """Return a folder for temporary files that the server's user can enter."""
    for base in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 (mkdtemp is used in it)
        short = len(bytes(base)) + len("/andamios_test_xxxxxxxx/postgres") <= _LONGEST_SOCKET_FOLDER
        if short and os.access(base, os.W_OK | os.X_OK) and open_to_all(base):
            return base
    message = "no folder for temporary files that PostgreSQL can use: set TMPDIR=/tmp"
    raise RuntimeError(message)


def open_to_all(folder: Path) -> bool:
    """Return whether any user can go into ``folder``, or no other user has to."""
    if os.geteuid() != 0:
        return True
    path = folder.resolve()
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def account() -> dict[str, Any]:
    """Return the options of ``subprocess`` that let a process run as that user."""
    user = unprivileged_user()
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def hand_over(folder: Path) -> None:
    """Make ``folder`` that user's, and nobody else's."""
    folder.chmod(0o700)
    os.chown(folder, account().get("user", os.geteuid()), -1)
