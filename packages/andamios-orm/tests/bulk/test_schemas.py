"""A schema by columns has the outcome of pydantic row by row: a property, not an example."""

from __future__ import annotations

import datetime as dt
import enum
import importlib
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.bulk.rows import MISSING, batch_of
from andamios_orm.bulk.schemas import validate_columns, validated
from andamios_orm.bulk.target import target_of
from andamios_orm.exceptions import BulkRefused
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import IntegerKeyMixin

pa: Any = importlib.import_module("pyarrow")

pytestmark = pytest.mark.unit


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Thing(IntegerKeyMixin, Base):
    """A row that the schemas are for."""

    __tablename__ = "things"

    name: Mapped[str]
    count: Mapped[int | None]
    level: Mapped[str] = mapped_column(default="low")
    ratio: Mapped[float | None]
    flag: Mapped[bool | None]
    tags: Mapped[list[Any] | None]
    document: Mapped[dict[str, Any] | None]
    moment: Mapped[dt.datetime | None]
    password: Mapped[str | None] = mapped_column(info={"secret": True})


TARGET = target_of(Thing)


class Level(enum.Enum):
    """Two levels."""

    LOW = "low"
    HIGH = "high"


class Inner(BaseModel):
    """A document."""

    depth: int = 0


def _even(value: Any) -> Any:
    if not isinstance(value, int) or value % 2:
        raise ValueError("odd")
    return value


class Schema(BaseModel):
    """Fields that stand alone."""

    name: Annotated[str, Field(min_length=1, max_length=4)]
    count: Annotated[int, Field(ge=0, le=10)] | None = None
    level: Literal["low", "high"] = "low"
    ratio: float = 1.0
    flag: bool | None = None
    tags: list[str] = []
    document: Inner | None = None


class Stripped(Schema):
    """Fields of a stricter kind."""

    model_config = ConfigDict(str_strip_whitespace=True, extra="forbid")

    level: Level = Level.LOW  # type: ignore[assignment]  # another form of the same
    moment: dt.datetime | None = Field(default=None, validate_default=True)


class Strict(Schema):
    """Nothing is converted."""

    model_config = ConfigDict(strict=True)


class Validated(Schema):
    """Validators that see one value."""

    count: Annotated[int, AfterValidator(_even)] = Field(default_factory=int)

    @field_validator("name")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()


class Informed(Schema):
    """A validator that sees the other fields."""

    @field_validator("ratio")
    @classmethod
    def _needs_name(cls, value: float, info: ValidationInfo) -> float:
        return value + len(info.data.get("name", ""))


class Whole(Schema):
    """A rule over several fields."""

    @model_validator(mode="after")
    def _consistent(self) -> Whole:
        if self.count is not None and self.count > len(self.name):
            raise ValueError("too many")
        return self


class Open(Schema):
    """Strangers are kept."""

    model_config = ConfigDict(extra="allow")


class Renamed(Schema):
    """A field with another name."""

    name: str = Field(alias="title")


class Posted(Schema):
    """Something happens after validation."""

    seen: ClassVar[list[str]] = []

    def model_post_init(self, _context: Any) -> None:
        """Change a value."""
        self.ratio = 0.5


class Dependent(Schema):
    """A default that depends on another field."""

    ratio: float = Field(default_factory=lambda data: float(len(data["name"])))


SCHEMAS = [
    Schema,
    Stripped,
    Strict,
    Validated,
    Informed,
    Whole,
    Open,
    Renamed,
    Posted,
    Dependent,
]
BY_COLUMN = {Schema, Stripped, Strict, Validated}

_texts = st.sampled_from(["", "a", " a ", "abcd", "abcde", "1", "low", "high", "true", "x\n"])
_anything = st.one_of(
    _texts,
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.floats(allow_nan=False),
    st.sampled_from([Level.LOW, b"a", [], ["a"], ["a", 1], {}, {"depth": 3}, {"depth": "x"}]),
    st.sampled_from([Inner(depth=2), dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "2030-01-01"]),
)
_good: dict[str, st.SearchStrategy[Any]] = {
    "count": st.integers(0, 5).map(lambda number: number * 2),
    "level": st.sampled_from(["low", "high"]),
    "ratio": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "tags": st.lists(_texts, max_size=2),
    "document": st.sampled_from([None, {"depth": 1}, {}]),
}
_name = st.sampled_from(["a", "ab", " abc", "abcd"])
_good_rows = st.fixed_dictionaries({"name": _name}, optional=_good)
_wild_rows = st.dictionaries(
    st.sampled_from([*Schema.model_fields, "title", "moment", "stranger"]), _anything, max_size=6
)


def _by_pydantic(schema: type[BaseModel], rows: list[Any]) -> list[dict[str, Any]] | None:
    try:
        models = TypeAdapter(list[schema]).validate_python(rows)  # type: ignore[valid-type]  # a class made elsewhere
    except ValidationError:
        return None
    return [{name: getattr(model, name) for name in schema.model_fields} for model in models]


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@settings(max_examples=150, deadline=None)
@given(rows=st.one_of(st.lists(_good_rows, max_size=4), st.lists(_wild_rows, max_size=3)))
def test_columns_have_the_outcome_of_pydantic(
    schema: type[BaseModel], rows: list[dict[str, Any]]
) -> None:
    expected = _by_pydantic(schema, rows)

    columns = validate_columns(schema, batch_of(rows, TARGET))

    if columns is None:
        return
    assert expected is not None, "accepted what pydantic refuses"
    assert [{name: columns[name][row] for name in columns} for row in range(len(rows))] == expected
    assert all(
        type(columns[name][row]) is type(expected[row][name])
        for name in columns
        for row in range(len(rows))
    )


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@settings(max_examples=100, deadline=None)
@given(rows=st.one_of(st.lists(_good_rows, max_size=3), st.lists(_wild_rows, max_size=3)))
def test_rows_are_refused_when_pydantic_refuses_them(
    schema: type[BaseModel], rows: list[dict[str, Any]]
) -> None:
    expected = _by_pydantic(schema, rows)

    if expected is not None:
        assert validated(rows, schema, TARGET).count == len(rows)
        return
    with pytest.raises(BulkRefused) as refused:
        validated(rows, schema, TARGET)
    assert {error.row for error in refused.value.errors} == {
        row for row, each in enumerate(rows) if _by_pydantic(schema, [each]) is None
    }


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_the_short_way_is_taken_where_fields_stand_alone(schema: type[BaseModel]) -> None:
    columns = validate_columns(schema, batch_of([{"name": "a"}], TARGET))

    assert (columns is not None) is (schema in BY_COLUMN)


def test_a_schema_that_is_no_set_of_fields_goes_the_long_way() -> None:
    class Names(RootModel[list[str]]):
        pass

    assert validate_columns(Names, batch_of([{"name": "a"}], TARGET)) is None


def test_a_schema_that_refers_to_itself_goes_the_short_way() -> None:
    columns = validate_columns(Node, batch_of([{"document": {"document": None}}], TARGET))

    assert columns == {"document": [Node(document=None)]}


class Node(BaseModel):
    """A schema that holds itself."""

    document: Node | None = None


class Unfinished(BaseModel):
    """A schema that cannot be built."""

    name: Later  # type: ignore[name-defined]  # noqa: F821 - it is never defined


def test_a_schema_that_is_not_finished_goes_the_long_way() -> None:
    assert validate_columns(Unfinished, batch_of([{"name": "a"}], TARGET)) is None


def test_every_bad_field_of_every_bad_row_is_named() -> None:
    rows = [{"name": "a"}, {"name": "abcde", "count": 11}, {"name": "b"}, {}]

    with pytest.raises(BulkRefused) as refused:
        validated(rows, Schema, TARGET)

    assert [(error.row, error.field) for error in refused.value.errors] == [
        (1, "name"),
        (1, "count"),
        (3, "name"),
    ]
    assert refused.value.errors[0].value == "abcde"


def test_what_is_no_dict_is_refused_by_pydantic() -> None:
    with pytest.raises(BulkRefused) as refused:
        validated([{"name": "a"}, 7], Schema, TARGET)

    assert [(error.row, error.field) for error in refused.value.errors] == [(1, "")]


def test_instances_of_the_schema_are_rows() -> None:
    batch = validated([Schema(name="a"), {"name": "b"}], Schema, TARGET)

    assert batch.columns["name"] == ["a", "b"]


def test_columns_of_arrow_are_validated_too() -> None:
    batch = validated(pa.table({"name": ["a", "b"], "count": ["1", None]}), Schema, TARGET)

    assert batch.columns["count"] == [1, None]


class Secretive(BaseModel):
    """Secrets, and defaults that mean nothing to the model."""

    name: str
    password: SecretStr
    id: int | None = None
    note: str = Field(default="x", exclude=True)
    level: str | None = None


def test_secrets_are_unwrapped_and_defaults_that_mean_nothing_left_out() -> None:
    batch = validated([{"name": "a", "password": "p"}], Secretive, TARGET)

    assert {name: list(values) for name, values in batch.columns.items()} == {
        "name": ["a"],
        "password": ["p"],
        "level": [MISSING],
    }


def test_a_secret_is_masked_in_an_error() -> None:
    with pytest.raises(BulkRefused) as refused:
        validated([{"name": "a", "password": 7}, {"password": "p"}], Secretive, TARGET)

    assert [error.value for error in refused.value.errors] == ["***", {"password": "***"}]


def test_nested_models_become_documents() -> None:
    batch = validated([{"name": "a", "document": {"depth": 1}}, {"name": "b"}], Schema, TARGET)

    assert batch.columns["document"] == [{"depth": 1}, None]


def test_for_changes_only_what_was_said_counts() -> None:
    rows = [{"name": "a", "count": 1}, {"name": "b"}]

    by_column = validated(rows, Schema, TARGET, partial=True)
    by_row = validated(rows, Whole, TARGET, partial=True)

    assert by_column.columns == by_row.columns == {"name": ["a", "b"], "count": [1, MISSING]}
