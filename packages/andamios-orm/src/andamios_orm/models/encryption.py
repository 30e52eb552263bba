"""Text that is encrypted before the database sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, bindparam, inspect, select, type_coerce, update
from sqlalchemy.sql import operators

from andamios_orm.exceptions import (
    ConfigurationError,
    DecryptionFailed,
    MissingExtra,
    ValueRefused,
)
from andamios_orm.models.checked import Checked

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute

__all__ = ["EncryptedString", "Keys", "rotate"]

Keys = Sequence[str | bytes] | Callable[[], Sequence[str | bytes]]

_WITHOUT_READING = frozenset({operators.is_, operators.is_not})
_ROWS = 1_000


class _Ring:
    """The keys of a column; they are never shown, compared or copied."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: tuple[tuple[str | bytes, ...], Any] | None = None

    def __repr__(self) -> str:
        return "***"

    def cipher(self) -> Any:
        """Return what encrypts with the first key and decrypts with any."""
        keys = tuple(self._keys() if callable(self._keys) else self._keys)
        if self._known is None or self._known[0] != keys:
            self._known = (keys, _cipher(keys))
        return self._known[1]


def _cipher(keys: tuple[str | bytes, ...]) -> Any:
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "cryptography is not installed: pip install 'andamios-orm[encryption]'"
        ) from error
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(
            "EncryptedString needs one key or more, each made with Fernet.generate_key()"
        ) from None


class EncryptedString(Checked[str]):
    """Text that only those can read who have one of the keys (Fernet: AES and HMAC).

    The first key encrypts, all of them decrypt. ``keys`` may be a function, asked when a
    value is written or read: models need not know the keys when they are imported. The
    column is a secret: it is left out of change records and not shown. The same text is
    never encrypted to the same value, so it can neither be compared nor sorted.
    """

    impl = Text
    cache_ok = True
    secret = True

    def __init__(self, keys: Keys) -> None:
        """Encrypt with the first of ``keys``."""
        self.keys = _Ring(keys)
        super().__init__()

    class Comparator(Checked.Comparator[Any]):
        """What can be asked of text that cannot be read."""

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            """Say whether there is a value, and nothing else.

            Raises:
                ConfigurationError: the values would have to be readable.
            """
            if op not in _WITHOUT_READING and not all(each is None for each in (other or (0,))):
                raise ConfigurationError(
                    f"{self.expr} is encrypted: it can be compared with None only; to find a "
                    f"row by it, store a keyed hash beside it"
                )
            return super().operate(op, *other, **options)

    comparator_factory = Comparator

    def stored(self, value: Any, dialect: Dialect) -> str:
        """Return the text, encrypted."""
        if not isinstance(value, str):
            raise ValueRefused("the column holds text: pass a str", type(value))
        try:
            text = value.encode()
        except UnicodeEncodeError:
            raise ValueRefused("it has no UTF-8 form", type(value)) from None
        token: bytes = self.keys.cipher().encrypt(text)
        return token.decode()

    def loaded(self, value: Any) -> str:
        """Return the text.

        Raises:
            DecryptionFailed: none of the keys is the one that it was encrypted with.
        """
        return str(self._opened("decrypt", value).decode())

    def rotated(self, token: str) -> str:
        """Return the encrypted ``token``, encrypted with the first key.

        Raises:
            DecryptionFailed: none of the keys is the one that it was encrypted with.
        """
        return str(self._opened("rotate", token).decode())

    def _opened(self, action: str, token: Any) -> Any:
        cipher = self.keys.cipher()
        from cryptography.fernet import InvalidToken

        try:
            return getattr(cipher, action)(token)
        except InvalidToken:
            where = f"column {self._column.name!r}" if self._column is not None else "a value"
            raise DecryptionFailed(
                f"{where}: none of the keys is the one that it was encrypted with; keep old "
                f"keys after the new one until rotate() has run"
            ) from None


async def rotate(session: AsyncSession, attribute: InstrumentedAttribute[Any]) -> int:
    """Return how many rows were encrypted anew, with the first key of the column.

    Put the new key first, call this, commit, and only then drop the old one. Times,
    versions and authors of the rows stay as they are.

    Raises:
        ConfigurationError: the attribute is not encrypted.
        DecryptionFailed: a row was encrypted with a key that is not given any more.
    """
    column = inspect(attribute).expression
    if not isinstance(column.type, EncryptedString):
        raise ConfigurationError(f"{attribute} is not encrypted")
    table: Table = column.table
    token = type_coerce(column, Text)
    keys = [*table.primary_key.columns]
    found = await session.execute(select(token, *keys).where(column.is_not(None)))
    rows = [
        {"_token": column.type.rotated(row[0])} | {f"_key{n}": key for n, key in enumerate(row[1:])}
        for row in found
    ]
    unchanged = {each: each for each in table.c if each.onupdate is not None}
    change = update(table).values({**unchanged, column: bindparam("_token", type_=Text)})
    for number, key in enumerate(keys):
        change = change.where(key == bindparam(f"_key{number}", type_=key.type))
    connection = await session.connection()
    for start in range(0, len(rows), _ROWS):
        await connection.execute(change, rows[start : start + _ROWS])
    return len(rows)
