"""Where results go: a file that is complete or not there, or the standard output."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.dialect.files import complete_file
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["STDOUT", "opened"]

STDOUT: Final = "-"
_BINARY: Final = frozenset({"parquet", "arrow"})


@contextlib.contextmanager
def opened(output: str, form: str, *, replace: bool) -> Iterator[BinaryIO]:
    """Yield what is written to; a file gets its name when all is written, or is removed.

    Raises:
        click.UsageError: bytes would go to a terminal.
        ConfigurationError: the file is there, and is not to be replaced.
    """
    if output == STDOUT:
        if form in _BINARY and sys.stdout.isatty():
            raise click.UsageError(f"{form} is nothing to read on a terminal: pass --output FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.exists() and not replace:
        raise ConfigurationError(f"{path} is there already: name another file, or pass --replace")
    with complete_file(path) as file:
        yield file
