"""Which worker of a parallel test run this is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MAIN", "worker_folder", "worker_id"]

MAIN: Final = "main"
"""The name of the only process of a run that is not parallel."""


def worker_id(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name that pytest-xdist has for this worker, or ``main``.

    >>> worker_id({"PYTEST_XDIST_WORKER": "gw3"}), worker_id({})
    ('gw3', 'main')
    """
    return environment.get("PYTEST_XDIST_WORKER", MAIN)


def worker_folder(base: Path, worker: str | None = None) -> Path:
    """Return a folder in ``base`` that no other worker uses, made if need be."""
    folder = base / (worker or worker_id())
    folder.mkdir(parents=True, exist_ok=True)
    return folder
