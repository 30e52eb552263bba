"""The base of the models of this package, which shares no table with any other."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase

from andamios_orm.models import Row

__all__ = ["Base"]


class Base(Row, DeclarativeBase):
    """The tables of projects, conversations, documents and repositories."""
