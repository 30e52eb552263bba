"""Encrypted text: who can read it, and how keys change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import (
    ConfigurationError,
    DecryptionFailed,
    MissingExtra,
    ValueRefused,
)
from andamios_orm.models import (
    EncryptedString,
    IntegerKeyMixin,
    Row,
    TimestampMixin,
    VersionMixin,
    rotate,
)

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

OLD, NEW = Fernet.generate_key(), Fernet.generate_key().decode()
KEYS: list[str | bytes] = [OLD]


class Base(Row, DeclarativeBase):
    """The base of these tables."""

    __feed__ = False


class Account(VersionMixin, TimestampMixin, IntegerKeyMixin, Base):
    """Has a secret."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(default="")
    token: Mapped[str | None] = mapped_column(EncryptedString(lambda: KEYS))


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def accounts(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return a database with two secrets and a row without."""
    monkeypatch.setitem(globals(), "KEYS", [OLD])
    async with database.transaction() as session:
        session.add(Account(token="hunter2"))  # noqa: S106 - that is the point
        await session.flush()
        await session.execute(sa.insert(Account), [{"token": "señal ✓"}, {"token": None}])
    return database


async def stored(database: Database) -> list[str | None]:
    """Return what the database has."""
    async with database.session() as session:
        return list(await session.scalars(sa.text("SELECT token FROM accounts ORDER BY id")))


async def read(database: Database) -> list[str | None]:
    """Return what the model says."""
    async with database.session() as session:
        return list(await session.scalars(sa.select(Account.token).order_by(Account.id)))


async def test_it_is_read_as_it_was_written(accounts: Database) -> None:
    assert await read(accounts) == ["hunter2", "señal ✓", None]


async def test_the_database_never_sees_it(accounts: Database) -> None:
    async with accounts.transaction() as session:
        session.add(Account(token="hunter2"))  # noqa: S106 - that is the point

    first, _, nothing, again = await stored(accounts)

    assert nothing is None
    assert "hunter2" not in f"{first}{again}"
    assert first != again


def test_neither_keys_nor_values_are_shown() -> None:
    type_: Any = Account.__table__.c.token.type

    account = Account(id=1, token="hunter2")  # noqa: S106 - that is the point
    shown = f"{type_!r} {type_.keys!r} {account!r} {Account.__table__!r}"

    assert OLD.decode() not in shown
    assert "hunter2" not in shown
    assert type_.secret is True


async def test_a_wrong_key_is_said_with_the_column(
    accounts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "KEYS", [NEW])

    with pytest.raises(DecryptionFailed, match="column 'token': none of the keys"):
        await read(accounts)


async def test_a_value_that_was_tampered_with_is_not_read(accounts: Database) -> None:
    async with accounts.transaction() as session:
        await session.execute(sa.text("UPDATE accounts SET token = 'gAAAA' WHERE id = 1"))

    with pytest.raises(DecryptionFailed):
        await read(accounts)


async def test_keys_are_rotated_and_nothing_else_changes(
    accounts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await stored(accounts)
    async with accounts.session() as session:
        was = [
            (each.version, each.updated_at) for each in await session.scalars(sa.select(Account))
        ]
    monkeypatch.setitem(globals(), "KEYS", [NEW, OLD])

    async with accounts.transaction() as session:
        count = await rotate(session, Account.token)
    monkeypatch.setitem(globals(), "KEYS", [NEW])

    assert count == 2
    assert await read(accounts) == ["hunter2", "señal ✓", None]
    assert (await stored(accounts))[:2] != before[:2]
    async with accounts.session() as session:
        rows = await session.scalars(sa.select(Account).order_by(Account.id))
        assert [(each.version, each.updated_at) for each in rows] == was


@pytest.mark.slow
async def test_only_what_is_encrypted_is_rotated(accounts: Database) -> None:
    async with accounts.session() as session:
        with pytest.raises(ConfigurationError, match=r"Account\.name is not encrypted"):
            await rotate(session, Account.name)


async def test_rows_with_and_without_it_are_found(accounts: Database) -> None:
    async with accounts.session() as session:
        for condition in (Account.token.is_(None), Account.token == None):  # noqa: E711 - as people write it
            assert (await session.scalars(sa.select(Account.id).where(condition))).all() == [3]
        query = sa.select(Account.id).where(Account.token.is_not(None)).order_by(Account.id)
        assert (await session.scalars(query)).all() == [1, 2]


@pytest.mark.parametrize(
    "compare",
    [
        lambda column: column == "hunter2",
        lambda column: column.in_(["hunter2"]),
        lambda column: column.like("h%"),
        lambda column: column < Account.name,
        lambda column: column.desc(),
    ],
    ids=["equal", "in", "like", "less", "sorted"],
)
def test_it_can_be_neither_compared_nor_sorted(compare: Any) -> None:
    with pytest.raises(ConfigurationError, match="is encrypted: it can be compared with None only"):
        compare(Account.token)


@pytest.mark.parametrize("value", [b"hunter2", 7, "\ud800hunter2"])
def test_a_refusal_does_not_show_the_secret(value: Any) -> None:
    with pytest.raises(ValueRefused) as caught:
        EncryptedString([OLD]).process_bind_param(value, sa.create_engine("duckdb://").dialect)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("keys", [[], ["hunter2"], ["ü"]])
def test_a_key_that_is_none_is_refused_without_being_shown(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"Fernet\.generate_key") as caught:
        EncryptedString(keys).process_result_value("x", sa.create_engine("duckdb://").dialect)

    assert "hunter2" not in str(caught.value)


def test_without_cryptography_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)

    with pytest.raises(MissingExtra, match=r"pip install 'andamios-orm\[encryption\]'"):
        EncryptedString([OLD]).process_result_value("x", sa.create_engine("duckdb://").dialect)
