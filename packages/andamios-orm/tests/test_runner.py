from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING

import pytest

from andamios_orm import run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit


async def loop_module() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_run_uses_uvloop_where_it_is_installed() -> None:
    assert run(loop_module()) == "uvloop"


def test_run_uses_asyncio_where_uvloop_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "uvloop" else find(name, *rest),
    )

    assert run(loop_module()) == "asyncio"


def test_run_sets_no_policy() -> None:
    before = run(loop_module())

    with asyncio.Runner() as runner:
        assert (before, runner.run(loop_module())) == ("uvloop", "asyncio")


def test_run_passes_debug_on() -> None:
    async def debugged() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run(debugged(), debug=True)


def test_run_lets_an_error_out() -> None:
    async def failing() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run(failing())
