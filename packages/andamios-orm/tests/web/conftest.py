"""What the tests of the web share: an app on a database of each system, and its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin
from andamios_orm.repositories import BaseRepository
from andamios_orm.web import install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import MetaData

    from andamios_orm import Database


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Note(IntegerKeyMixin, VersionMixin, Base):
    """A note, which may follow another."""

    __tablename__ = "notes"

    title: Mapped[str] = mapped_column(String(20), unique=True)
    stars: Mapped[int] = mapped_column(default=0)
    secret: Mapped[str | None] = mapped_column(info={"secret": True})
    follows: Mapped[int | None] = mapped_column(ForeignKey("notes.id"))


class NoteRepository(BaseRepository[Note]):
    """Notes."""

    model = Note


@pytest.fixture
def note() -> type[Note]:
    """Return the model."""
    return Note


@pytest.fixture
def notes() -> type[NoteRepository]:
    """Return the class of repositories of the model."""
    return NoteRepository


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
def app(database: Database) -> FastAPI:
    """Return an app without a route."""
    app = FastAPI()
    install(app, database)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client whose requests go to the app, without a network."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
