"""How far a piece of work has come, for whoever wants to hear it."""

from __future__ import annotations

__all__ = ["say_nothing"]


def say_nothing(_done: int, _total: int) -> None:
    """Do nothing: nobody asked for progress."""
