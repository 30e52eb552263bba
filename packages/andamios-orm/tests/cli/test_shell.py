from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Call: TypeAlias = "Callable[..., Any]"
pytestmark = [pytest.mark.e2e, pytest.mark.db]

WITHOUT_IPYTHON = """
import sys
sys.modules["IPython"] = None
from andamios_orm.cli.commands import main
main(sys.argv[1:])
"""
MODELS = """
from andamios_orm.models import Model
from sqlalchemy.orm import Mapped, mapped_column
class Shop(Model):
    __tablename__ = "shop"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.fixture
def plain(project: str, tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    url = f"duckdb:///{tmp_path / 'shop.duckdb'}"
    arguments = ["-c", WITHOUT_IPYTHON, "shell", "--url", url, "--models", project]
    shell = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=30, cwd=tmp_path)
    shell.setecho(state=False)
    shell.expect_exact(">>> ")
    yield shell
    shell.close(force=True)


def test_a_program_has_the_session_the_database_and_the_tables(
    call: Call, project: str, duckdb_url: str
) -> None:
    program = "print(await session.scalar(select(sa.literal(1))), database, book.name)"

    done = call("shell", "--command", program, "--url", duckdb_url, "--models", project)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("1 Database(")
    assert done.out.endswith(" book\n")


def test_mapped_classes_have_their_names(call: Call, project: str, tmp_path: Path) -> None:
    (tmp_path / "mapped_shop.py").write_text(MODELS)
    options = ("--url", "duckdb:///:memory:", "--models", "mapped_shop:Model")

    done = call("shell", "--command", "print(Shop.__tablename__)", *options)

    assert done.out == "shop\n"


def test_a_program_comes_from_the_standard_input(
    call: Call, project: str, duckdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n = 20\nn += 1\nprint(n * 2)\n"))

    assert call("shell", "--url", duckdb_url).out == "42\n"


@pytest.mark.slow
def test_a_plain_prompt_awaits_and_outlives_mistakes_and_interrupts(
    plain: pexpect.spawn[str],
) -> None:
    def answer(line: str) -> str:
        plain.sendline(line)
        plain.expect_exact(">>> ")
        return plain.before or ""

    assert "1" in answer("await session.scalar(select(sa.literal(1)))")
    assert "ZeroDivisionError" in answer("1 / 0")
    assert "42" in answer("20 + 22")
    assert "book" in answer("book.name")
    plain.sendline("import asyncio; print('on it'); await asyncio.sleep(60)")
    plain.expect_exact("on it")
    plain.sendintr()
    plain.expect_exact("interrupted")
    plain.expect_exact(">>> ")
    plain.sendintr()
    plain.sendline("exit()")
    plain.expect(pexpect.EOF)
    plain.wait()
    assert plain.exitstatus == 0


@pytest.mark.slow
def test_ipython_is_the_prompt_where_it_is_installed(project: str, tmp_path: Path) -> None:
    program = "from andamios_orm.cli.commands import main; import sys; main(sys.argv[1:])"
    arguments = ["-c", program, "shell", "--url", "duckdb:///:memory:", "--models", project]
    environment = {**os.environ, "HOME": str(tmp_path), "TERM": "dumb"}
    shell = pexpect.spawn(
        sys.executable, arguments, encoding="utf-8", timeout=60, cwd=tmp_path, env=environment
    )
    try:
        shell.expect_exact("In [1]: ")
        shell.sendline("await session.scalar(select(sa.literal(41) + 1))")
        shell.expect(r"Out.*42\r")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
        shell.wait()
        assert shell.exitstatus == 0
    finally:
        shell.close(force=True)
