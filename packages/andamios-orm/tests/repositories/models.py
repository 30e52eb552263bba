"""The models that the tests of repositories share."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Numeric,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm.models import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    Row,
    SoftDeleteMixin,
    TimestampMixin,
    UUIDKeyMixin,
    VersionMixin,
)


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Status(enum.Enum):
    """How far a project is."""

    DRAFT = "draft"
    ACTIVE = "active"


class Project(
    IntegerKeyMixin,
    TimestampMixin,
    AuditMixin,
    VersionMixin,
    SoftDeleteMixin,
    HistoryMixin,
    Base,
):
    """Has everything."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), default="draft")
    stars: Mapped[int] = mapped_column(default=0)
    budget: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    architecture: Mapped[dict[str, Any] | None]
    secret: Mapped[str | None] = mapped_column(info={"secret": True})
    documents: Mapped[list[Document]] = relationship(
        back_populates="project", cascade="all, delete-orphan"
    )
    notes: Mapped[list[Note]] = relationship(cascade="all, delete-orphan")
    invoices: Mapped[list[Invoice]] = relationship()


class Document(IntegerKeyMixin, SoftDeleteMixin, Base):
    """A child that is deleted softly, with children of its own."""

    __tablename__ = "documents"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str]
    project: Mapped[Project] = relationship(back_populates="documents")
    pages: Mapped[list[Page]] = relationship(cascade="all, delete-orphan")


class Page(IntegerKeyMixin, SoftDeleteMixin, Base):
    """A child of a child."""

    __tablename__ = "pages"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    text: Mapped[str] = mapped_column(default="")


class Note(IntegerKeyMixin, Base):
    """A child that cannot be deleted softly."""

    __tablename__ = "notes"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))


class Invoice(IntegerKeyMixin, SoftDeleteMixin, Base):
    """A child that keeps its parent alive."""

    __tablename__ = "invoices"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))


class Token(UUIDKeyMixin, Base):
    """Has a key that Python makes, and nothing else."""

    __tablename__ = "tokens"

    label: Mapped[str]
    made: Mapped[dt.datetime | None]


class Country(Base):
    """Has a natural key and a unique column."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Membership(Base):
    """Has a composite natural key."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("seat"),)

    team: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    person: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(default="member")
    seat: Mapped[int | None]


class Counter(IntegerKeyMixin, VersionMixin, Base):
    """A number that many want to raise."""

    __tablename__ = "counters"

    value: Mapped[int] = mapped_column(default=0)


class Employee(IntegerKeyMixin, Base):
    """Refers to itself, without a cascade."""

    __tablename__ = "employees"

    name: Mapped[str]
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    reports: Mapped[list[Employee]] = relationship()


class Shelf(IntegerKeyMixin, SoftDeleteMixin, Base):
    """Lets go of its books."""

    __tablename__ = "shelves"

    books: Mapped[list[Book]] = relationship()


class Book(IntegerKeyMixin, Base):
    """Has a cover, one to one."""

    __tablename__ = "books"

    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id", ondelete="SET NULL"))
    cover: Mapped[Cover | None] = relationship(cascade="all, delete-orphan", back_populates="book")


class Cover(Base):
    """Has the key of its book."""

    __tablename__ = "covers"

    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), primary_key=True)
    weight: Mapped[Decimal | None] = mapped_column(Numeric())
    book: Mapped[Book] = relationship(back_populates="cover")


class Seat(Base):
    """Refers to a composite key, and goes with it because the database says so."""

    __tablename__ = "seats"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team", "person"], ["offices.team", "offices.person"], ondelete="CASCADE"
        ),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    team: Mapped[int]
    person: Mapped[str]


class Office(Base):
    """Has a composite key that others refer to."""

    __tablename__ = "offices"

    team: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    person: Mapped[str] = mapped_column(primary_key=True)
    seats: Mapped[list[Seat]] = relationship()
