"""A flush that failed inside ``with session.begin()``, and whose error was swallowed.

SQLAlchemy rolls the session back when a flush fails. If the block swallows that error,
its end is neither a commit nor an error: everything in it is lost in silence. Here
the end of the block raises ``TransactionAborted``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session

from andamios_orm.exceptions import TransactionAborted

if TYPE_CHECKING:
    from types import FrameType

    from sqlalchemy import Dialect, Engine
    from sqlalchemy.orm import SessionTransaction

__all__ = ["watch_flushes"]

_FAILURE = "andamios.failed_flush"
_WATCHED: WeakSet[Dialect] = WeakSet()


def watch_flushes(engine: Engine) -> None:
    """Make every session that is bound to ``engine`` tell of a swallowed flush error.

    A session with binds per class and none of its own is not watched.
    """
    _WATCHED.add(engine.dialect)
    if not event.contains(Session, "after_soft_rollback", _note_failure):
        event.listen(Session, "after_soft_rollback", _note_failure)
        event.listen(Session, "after_transaction_end", _refuse_silent_end)


def _note_failure(session: Session, _ended: SessionTransaction) -> None:
    """Remember the error that made ``session`` inactive; it is on its way up now."""
    error = sys.exc_info()[1]
    if error is not None and not session.is_active and _is_watched(session):
        session.info[_FAILURE] = str(error).partition("\n")[0]


def _is_watched(session: Session) -> bool:
    try:
        return session.get_bind().dialect in _WATCHED
    except UnboundExecutionError:
        return False


def _refuse_silent_end(session: Session, ended: SessionTransaction) -> None:
    """Raise if a block ends as if all was well, and its transaction is rolled back."""
    if ended.parent is not None or _FAILURE not in session.info:
        return
    failure = session.info.pop(_FAILURE)
    if _ends_by_block(ended, sys._getframe()):  # noqa: SLF001 (nothing else tells)
        message = (
            f'a flush in this transaction failed: "{failure}"; nothing of it is stored: '
            "roll back and run it again, or try what may fail inside begin_nested()"
        )
        raise TransactionAborted(message, cause_message=failure)


def _ends_by_block(ended: SessionTransaction, frame: FrameType | None) -> bool:
    """Return whether the block of ``ended`` is left without an error.

    It was not committed, so its end closes it; a rollback that somebody asked for
    closes it as well, and no event tells the two apart. The stack does.
    """
    while frame is not None:
        method = frame.f_code.co_name
        if method in {"__exit__", "rollback", "commit"} and frame.f_locals.get("self") is ended:
            return method == "__exit__" and frame.f_locals.get("type_") is None
        frame = frame.f_back
    return False
