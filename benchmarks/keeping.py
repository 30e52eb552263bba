"""Where data of benchmarks are kept between runs, and what tells that they are out of date."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KEPT", "fingerprint"]

KEPT: Final = Path(__file__).parent.parent / ".cache" / "benchmarks"


def fingerprint(sources: Iterable[Path], *texts: str) -> str:
    """Return what differs as soon as one of ``texts``, or of the files of ``sources``, does."""
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode())
    for path in sorted(sources):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]
