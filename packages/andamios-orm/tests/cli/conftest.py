"""The command, called as a shell calls it, in the folder of a project."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from andamios_command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_command.program import Program

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
author = sa.Table("author", metadata, sa.Column("id", sa.Integer, primary_key=True))
book = sa.Table(
    "book",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("author_id", sa.ForeignKey("author.id", name="fk_book_author")),
    sa.Index("ix_book_title", "title"),
)
"""
_NUMBERS = itertools.count()


class Done(NamedTuple):
    """What a command has left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Return what runs the command."""

    def run(*arguments: str, program: Program = PROGRAM) -> Done:
        with pytest.raises(SystemExit) as ended:
            program.run(arguments)
        printed = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Go to a new project, and return the place of its models."""
    name = f"shop_models_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    for variable in ("ANDAMIOS_URL", "ANDAMIOS_MODELS", "ANDAMIOS_FOLDER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return f"{name}:metadata"
