"""The command ``shell``: Python with the database, a session and the models, and ``await``."""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
import signal
import sys
from concurrent.futures import CancelledError
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import rich_click as click
import sqlalchemy as sa

from andamios_orm.cli.running import command

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future
    from types import CodeType

    from andamios_orm.cli.running import Context

__all__ = ["shell_command"]

_AWAITS: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@command(examples=["shell -c 'print(await session.scalar(select(1)))'", "shell < report.py"])
@click.option("--command", "-c", "text", metavar="CODE", help="Run CODE and end.")
async def shell_command(context: Context, *, text: str | None) -> None:
    """Open Python with the database, a session and the models; await works at the prompt.

    It is IPython where that is installed. What the session has not committed is undone at
    the end. CODE may be read from the standard input as well.
    """
    names = context.project.names()
    async with context.database() as database, database.session() as session:
        known = {"database": database, "session": session, "sa": sa, "select": sa.select, **names}
        if text is not None or not sys.stdin.isatty():
            await _run(text if text is not None else sys.stdin.read(), known)
            return
        context.say(f"{database!r}\nnames: {', '.join(known)}; commit with await session.commit()")
        await _Prompt(asyncio.get_running_loop(), known).show()


async def _run(text: str, known: dict[str, Any]) -> None:
    """Run a program that may await."""
    found = _result(compile(text, "<shell>", "exec", flags=_AWAITS), known)
    if found is not None:
        await found


def _result(program: CodeType, known: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
    """Run a program; if it awaits, return the coroutine that it is."""
    found = eval(program, known)  # noqa: S307  # nosec B307 - the user's own code is what a shell is for
    return found if inspect.iscoroutine(found) else None


class _Prompt:
    """A prompt on a thread, whose coroutines run in the loop of the command."""

    def __init__(self, loop: asyncio.AbstractEventLoop, known: dict[str, Any]) -> None:
        self._loop = loop
        self._known = known
        self._running: Future[Any] | None = None

    async def show(self) -> None:
        """Return when the user has ended it; Ctrl-C ends what runs, not the prompt."""
        self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            await asyncio.to_thread(self._ipython if find_spec("IPython") else self._plain)
        finally:
            self._loop.remove_signal_handler(signal.SIGINT)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop, and return what it returns."""
        self._running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return self._running.result()
        finally:
            self._running = None

    def _interrupt(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def _plain(self) -> None:
        console = _Console(self, self._known)
        console.interact(banner="", exitmsg="")

    def _ipython(self) -> None:
        from IPython.terminal.embed import InteractiveShellEmbed as Shell  # noqa: T100 - no debugger

        shell: Any = Shell(user_ns=self._known, banner1="", confirm_exit=False)  # type: ignore[no-untyped-call]  # noqa: T100 - IPython's own
        shell.autoawait = True
        shell.loop_runner = self.run
        shell()


class _Console(code.InteractiveConsole):
    """The plain prompt of Python, in which ``await`` works."""

    def __init__(self, prompt: _Prompt, known: dict[str, Any]) -> None:
        super().__init__(known)
        self._prompt = prompt
        self._known = known
        self.compile.compiler.flags |= _AWAITS

    def runcode(self, code: CodeType) -> None:
        """Run one statement; what goes wrong is shown, and the prompt comes back."""
        try:
            work = _result(code, self._known)
            if work is not None:
                self._prompt.run(work)
        except SystemExit:
            raise
        except CancelledError:
            self.write("interrupted\n")
        except BaseException:  # noqa: BLE001 - as every prompt does
            self.showtraceback()
