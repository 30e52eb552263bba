"""Vacuum a file, and be killed in front of one step, or behind it: PATH WHEN STEP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from andamios_orm.maintenance import rewriting, vacuum

STEPS: dict[str, tuple[Any, str]] = {
    "attach": (rewriting.Rewriting, "_attach"),
    "insert": (rewriting, "insert_rows"),
    "compare": (rewriting.Rewriting, "_compare"),
    "sync": (rewriting.Rewriting, "_sync"),
    "swap": (Path, "replace"),
    "folder": (rewriting, "sync_folder"),
    "wipe": (os, "pwrite"),
}


def main(path: str, when: str, step: str) -> None:
    """Run it."""
    owner, name = STEPS[step]
    function = getattr(owner, name)

    def die(*arguments: Any, **options: Any) -> None:
        if when == "behind":
            function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    asyncio.run(vacuum(path))


main(*sys.argv[1:])
