"""Blocks that fail when they send more statements, or wait more often, than they may.

``with query_budget(2): ...`` finds the loop that loads one row at a time before a user does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import Engine, event

from andamios_orm.dialect.calls import Call
from andamios_orm.dialect.worker import Worker
from andamios_orm.exceptions import AndamiosError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

__all__ = ["BudgetExceeded", "HopBudget", "QueryBudget"]


_SUBMIT: Final = "submit"
"""What every hop of every worker goes through."""


class BudgetExceeded(AndamiosError, AssertionError):
    """A block has sent more than it may: ``spent`` says what, in order, ``most`` how much."""

    def __init__(self, what: str, most: int, spent: Sequence[str]) -> None:
        """Say what was counted, its limit, and each of them."""
        super().__init__(what, most, spent)
        self.what = what
        self.most = most
        self.spent = tuple(spent)

    def __str__(self) -> str:
        shown = "".join(f"\n{number}. {one}" for number, one in enumerate(self.spent, 1))
        return f"{len(self.spent)} {self.what} where at most {self.most} may be:{shown}"


class _Budget:
    """Counts in its block, and fails at its end."""

    what: ClassVar[str]

    def __init__(self, most: int) -> None:
        """Allow ``most``."""
        self.most = most
        self.spent: list[str] = []

    def __enter__(self) -> Self:
        self.spent.clear()
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        if kind is None and len(self.spent) > self.most:
            raise BudgetExceeded(self.what, self.most, self.spent)

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class QueryBudget(_Budget):
    """A block in which at most ``most`` statements are sent, by all engines of the process.

    One statement for many rows is one; BEGIN and COMMIT are none.
    """

    what: ClassVar[str] = "statements"

    def _begin(self) -> None:
        event.listen(Engine, "before_cursor_execute", self._note)

    def _end(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.spent.append(" ".join(statement.split()))


class HopBudget(_Budget):
    """A block in which the loop waits at most ``most`` times for a worker of DuckDB.

    On PostgreSQL there are no workers, so nothing is counted.
    """

    what: ClassVar[str] = "hops"
    _submit: Callable[..., Any]

    def _begin(self) -> None:
        submit, note = Worker.submit, self._note
        self._submit = submit

        def counted(
            worker: Worker, function: Callable[..., Any], *arguments: Any
        ) -> asyncio.Future[Any]:
            note(function, arguments)
            return submit(worker, function, *arguments)

        setattr(Worker, _SUBMIT, counted)

    def _end(self) -> None:
        setattr(Worker, _SUBMIT, self._submit)

    def _note(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        texts = [" ".join(one.text.split()) for one in arguments if isinstance(one, Call)]
        behind = getattr(function, "func", function)  # of a partial
        self.spent.append(texts[0] if texts else str(getattr(behind, "__name__", behind)))
