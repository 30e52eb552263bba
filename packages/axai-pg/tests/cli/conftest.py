"""The command, called as a shell calls it, in a folder of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from axai_pg.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VARIABLE = "AXAI_DATABASE_URL"


class Done(NamedTuple):
    """What a command has left: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it told a person, without the frames around it."""
        return " ".join(self.err.replace("│", " ").split())


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Go to an empty folder, and return what runs the command there; no database is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    for name in [name for name in os.environ if name.startswith("POSTGRES_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def on_shared(
    call: Callable[..., Done], shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Return what runs the command on a database that tests share; they leave nothing in it."""
    monkeypatch.setenv(VARIABLE, shared_url)
    return call


@pytest.fixture
def on(
    call: Callable[..., Done], schema_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Return what runs the command on a database of this test alone, with all tables."""
    monkeypatch.setenv(VARIABLE, schema_url)
    return call
