"""What a column lets in, so that what is stored is what was given.

DuckDB casts what it is sent to the type of the column, and some of its casts
change the value without a word: 1.9 becomes 2, 1.005 becomes 1.01, bytes become
text, an aware time moves to the zone of the session, a float ``nan`` inside a
list becomes NULL. An :class:`Admission` stands before such a column. It takes
what keeps its value in the column (``2.0`` and ``True`` are whole numbers,
text may be a UUID, a date is its midnight) and refuses the rest with
:class:`~andamios_orm.exceptions.ValueRefused`.

A FLOAT or DOUBLE column is inexact by declaration and takes any number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Context, Decimal, Inexact, InvalidOperation
from numbers import Integral, Real
from types import NoneType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Admission",
    "Binary",
    "Decimals",
    "Floats",
    "Identifiers",
    "Lists",
    "Maps",
    "Rendered",
    "Structs",
    "Text",
    "Unions",
    "WholeNumbers",
    "plain_sequence",
    "present",
    "refuse",
    "refuse_surrogates",
]

_BEYOND_DRIVER = 2**127
_NAN = Decimal("NaN")
_JUST_INTEGERS = frozenset({int, NoneType})
_JUST_FLOATS = frozenset({float, NoneType})
_JUST_TEXT = frozenset({str, NoneType})


class Rendered(str):
    """A value that its own type wrote as text because the driver cannot send it."""

    __slots__ = ()


class Admission:
    """What one type of column lets in; this one lets everything in."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return what to send for ``value``, a parameter of its own."""
        return value

    def item(self, value: Any) -> Any:
        """Return what to send for ``value`` inside a list, a map or a struct."""
        return self.one(value)

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return what to send for the items of one list, faster than one by one."""
        return [self.item(value) for value in values]


class WholeNumbers(Admission):
    """Integers between two bounds; None is no bound."""

    __slots__ = ("high", "low", "type_name")

    def __init__(self, type_name: str, low: int | None, high: int | None) -> None:
        self.type_name = type_name
        self.low = -math.inf if low is None else low
        self.high = math.inf if high is None else high

    def one(self, value: Any) -> Any:
        """Return the integer; a float or Decimal must be a whole number."""
        if type(value) is int and self.low <= value <= self.high:
            return value
        if value is None or type(value) is Rendered:
            return value
        number = _whole(value)
        if not self.low <= number <= self.high:
            refuse(f"{self.type_name} holds {self.low} to {self.high}", value)
        return number

    def item(self, value: Any) -> Any:
        """Return the integer, as text where a list of it would become DOUBLE."""
        number = self.one(value)
        beyond = type(number) is int and number >= _BEYOND_DRIVER
        return Rendered(number) if beyond else number

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if they are integers within the bounds."""
        kinds = set(map(type, values))
        if kinds <= _JUST_INTEGERS:
            known = present(values, kinds)
            high = min(self.high, _BEYOND_DRIVER - 1)
            if not known or (min(known) >= self.low and max(known) <= high):
                return values
        return super().many(values)


def _whole(value: Any) -> int:
    if isinstance(value, Integral):
        return int(value)
    if not isinstance(value, (Real, Decimal)):
        refuse("the column holds whole numbers: pass an int", value)
    if not math.isfinite(value) or value != (number := math.trunc(value)):
        refuse("the column holds whole numbers: round it first", value)
    return int(number)


class Decimals(Admission):
    """Numbers of at most ``precision`` digits, ``scale`` of them after the point."""

    __slots__ = ("context", "type_name", "unit")

    def __init__(self, precision: int, scale: int) -> None:
        self.type_name = f"DECIMAL({precision},{scale})"
        self.unit = Decimal(1).scaleb(-scale)
        self.context = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def one(self, value: Any) -> Any:
        """Return the exact Decimal; a float counts as the decimal it is printed as."""
        if value is None:
            return None
        if type(value) is not Decimal:
            return self._converted(value)
        return self._exact(value, value)

    def _exact(self, number: Decimal, value: object) -> Decimal:
        try:
            exact = self.context.quantize(number, self.unit)
        except Inexact:
            refuse(f"{self.type_name} would round it: round it first", value)
        except InvalidOperation:
            exact = _NAN
        if exact.is_nan():
            refuse(f"{self.type_name} cannot hold it", value)
        return exact

    def _converted(self, value: Any) -> Decimal:
        if isinstance(value, Decimal):
            return self._exact(Decimal(value), value)
        if isinstance(value, Integral):
            return self._exact(Decimal(int(value)), value)
        if not isinstance(value, Real):
            refuse("the column holds decimal numbers: pass a Decimal", value)
        number = float(value)
        try:
            return self._exact(Decimal(repr(number)), value)
        except ValueRefused:
            # 0.1 + 0.2 is 0.30000000000000004: digits beyond the 15 that a double
            # keeps are noise of the arithmetic, not a part of the value.
            return self._exact(Decimal(f"{number:.15g}"), value)


class Floats(Admission):
    """Binary floating point, which is inexact by declaration."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the number as a float."""
        if type(value) is float or value is None:
            return value
        if not isinstance(value, (Real, Decimal)):
            refuse("the column holds numbers: pass a float", value)
        try:
            return float(value)
        except OverflowError:
            refuse("it is larger than any DOUBLE", value)

    def item(self, value: Any) -> Any:
        """Return the float; ``nan`` as a Decimal, for the driver makes it NULL in a list."""
        number = self.one(value)
        return _NAN if number != number else number  # noqa: PLR0124  # only nan differs

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if they are floats and none is ``nan``."""
        kinds = set(map(type, values))
        if kinds <= _JUST_FLOATS and not math.isnan(sum(present(values, kinds))):
            return values
        return super().many(values)


class Text(Admission):
    """Text that has a UTF-8 form, of at most ``length`` characters."""

    __slots__ = ("length",)

    def __init__(self, length: int | None = None) -> None:
        self.length = length

    def one(self, value: Any) -> Any:
        """Return the text unchanged."""
        if value is None:
            return None
        if not isinstance(value, str):
            refuse("the column holds text: pass a str", value)
        if not value.isascii():
            _refuse_surrogate(value)
        if self.length is not None and len(value) > self.length:
            refuse(f"it has {len(value)} characters, the column holds {self.length}", value)
        return value

    def many(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return ``values`` themselves if none is too long or no UTF-8."""
        kinds = set(map(type, values))
        if kinds <= _JUST_TEXT:
            known = present(values, kinds)
            short = self.length is None or max(map(len, known), default=0) <= self.length
            if short and _is_utf8("".join(known)):
                return values
        return super().many(values)


class Binary(Admission):
    """Bytes."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the bytes."""
        if type(value) is bytes or value is None:
            return value
        if not isinstance(value, (bytes, bytearray, memoryview)):
            refuse("the column holds bytes: encode it first", value)
        return bytes(value)


class Identifiers(Admission):
    """UUIDs, as objects or in text; DuckDB checks the text."""

    __slots__ = ()

    def one(self, value: Any) -> Any:
        """Return the UUID or its text."""
        if value is not None and not isinstance(value, (UUID, str)):
            refuse("the column holds UUIDs: pass a uuid.UUID", value)
        return value


class Lists(Admission):
    """Lists of one type, ``depth`` deep."""

    __slots__ = ("depth", "items")

    def __init__(self, items: Admission, depth: int = 1) -> None:
        self.items = items
        self.depth = depth

    def one(self, value: Any) -> Any:
        """Return the list with every item admitted."""
        return self._admitted(value, self.depth)

    def _admitted(self, value: Any, depth: int) -> Any:
        if value is None:
            return None
        values = plain_sequence(value)
        if depth > 1:
            return [self._admitted(item, depth - 1) for item in values]
        return self.items.many(values)


class Maps(Admission):
    """Maps, in the form ``{"key": […], "value": […]}`` that the driver takes for one."""

    __slots__ = ("keys", "values")

    def __init__(self, keys: Admission, values: Admission) -> None:
        self.keys = keys
        self.values = values

    def one(self, value: Any) -> Any:
        """Return the map with every key and value admitted."""
        if value is None:
            return None
        return {"key": self.keys.many(value["key"]), "value": self.values.many(value["value"])}


class Structs(Admission):
    """Structs with the fields named, in the order of the type."""

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[Admission]) -> None:
        self.fields = tuple(fields)

    def one(self, value: Any) -> Any:
        """Return the struct with every field admitted."""
        if value is None:
            return None
        pairs = zip(value.items(), self.fields, strict=True)
        return {name: field.item(item) for (name, item), field in pairs}


class Unions(Admission):
    """Values of one of several types; DuckDB chooses the member by the type it is sent."""

    __slots__ = ("members",)

    def __init__(self, members: Iterable[Admission]) -> None:
        self.members = tuple(members)

    def one(self, value: Any) -> Any:
        """Return ``value`` if one of the members lets it in."""
        if not any(_admits(member, value) for member in self.members):
            refuse("no member of the UNION can hold it unchanged", value)
        return value


def _admits(admission: Admission, value: Any) -> bool:
    try:
        admission.one(value)
    except ValueRefused:
        return False
    return True


def plain_sequence(value: Any) -> Sequence[Any]:
    """Return a list of plain Python values; an array of NumPy is turned into one."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (str, bytes, bytearray, Mapping, AbstractSet)) or not hasattr(
        value, "__iter__"
    ):
        refuse("the column holds lists: pass a list", value)
    to_list = getattr(value, "tolist", None)
    plain: list[Any] = list(value) if to_list is None else to_list()
    return plain


def refuse_surrogates(parameters: Iterable[Any]) -> None:
    """Refuse the first text in ``parameters`` that has no UTF-8 form.

    The driver fails on half a surrogate pair with a RuntimeError that names
    nothing; this finds the culprit, at any depth.

    Raises:
        ValueRefused: some text holds a lone surrogate.
    """
    for value in parameters:
        if isinstance(value, str):
            _refuse_surrogate(value)
        elif isinstance(value, Mapping):
            refuse_surrogates(value)
            refuse_surrogates(value.values())
        elif isinstance(value, (list, tuple)):
            refuse_surrogates(value)


def _refuse_surrogate(value: str) -> None:
    if not _is_utf8(value):
        refuse("it holds half a surrogate pair, which is no valid text", value)


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def present(values: Sequence[Any], kinds: set[type]) -> Sequence[Any]:
    """Return ``values``, whose types are ``kinds``, without None."""
    return [value for value in values if value is not None] if NoneType in kinds else values


def refuse(reason: str, value: object) -> NoReturn:
    """Raise ``ValueRefused``."""
    raise ValueRefused(reason, value)
