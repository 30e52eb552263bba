"""Paths of files: always relative, always inside of their root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String

from andamios_orm.exceptions import ValueRefused
from andamios_orm.models.checked import Checked

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["LONGEST", "FileName", "RelativePath", "checked_name", "checked_path"]

LONGEST: Final = 1_000
"""Characters that a path may have."""
_LONGEST_NAME: Final = 255
# Control characters, halves of characters, and on Windows separators, drives and streams.
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\:]")
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def checked_path(path: object) -> str:
    """Return ``path`` if it names a file below a folder, on every system.

    >>> checked_path("docs/architecture.md")
    'docs/architecture.md'

    Raises:
        ValueRefused: it is absolute, leads out, or means something else to some system.
    """
    if not isinstance(path, str):
        raise ValueRefused("a path is text", path)
    reason = _why_not(path)
    if reason is not None:
        raise ValueRefused(f"{reason}: write a path below the root, such as docs/plan.md", path)
    return path


def checked_name(name: object) -> str:
    """Return ``name`` if it is that of a file, on every system, without a folder.

    >>> checked_name("plan.md")
    'plan.md'

    Raises:
        ValueRefused: it is none, or says where the file is.
    """
    if not isinstance(name, str):
        raise ValueRefused("the name of a file is text", name)
    reason = "it has a folder" if "/" in name else _why_not(name)
    if reason is not None:
        raise ValueRefused(f"{reason}: write the name of a file, such as plan.md", name)
    return name


def _why_not(path: str) -> str | None:
    """Return why a path is refused."""
    if not path or len(path) > LONGEST:
        return f"a path has 1 to {LONGEST} characters"
    if _NEVER.search(path):
        return "it has characters that mean another place, or that no name of a file has"
    if path.startswith(("/", "~")):
        return "it does not begin at the root"
    return next(filter(None, map(_why_no_name, path.split("/"))), None)


def _why_no_name(part: str) -> str | None:
    """Return why a part of a path is refused."""
    if part in {"", ".", ".."}:
        return f"the part {part!r} is no name"
    if len(part.encode()) > _LONGEST_NAME:
        return "a name in it is too long"
    if part != part.strip() or part.endswith("."):
        return f"the name {part!r} begins or ends with what some systems drop"
    return f"{part!r} is a device on some systems" if _DEVICE.fullmatch(part) else None


class RelativePath(Checked[str]):
    """A path inside of a root, as text; any other is refused before the database sees it."""

    impl = String(LONGEST)
    cache_ok = True

    def stored(self, value: Any, dialect: Dialect) -> str:
        """Return the path."""
        return checked_path(value)


class FileName(Checked[str]):
    """The name of a file, without a folder; other text is refused before the database sees it."""

    impl = String(_LONGEST_NAME)
    cache_ok = True

    def stored(self, value: Any, dialect: Dialect) -> str:
        """Return the name."""
        return checked_name(value)
