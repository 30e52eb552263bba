"""What all schemas have in common."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["BaseSchema", "Content", "TimestampSchema"]

Content: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=False)]
"""A text that is kept as it is, with the blanks around it."""


class BaseSchema(BaseModel):
    """A schema that reads rows, strips text, and checks what is assigned to it."""

    model_config = ConfigDict(
        from_attributes=True,
        use_enum_values=True,
        validate_assignment=True,
        validate_default=True,
        str_strip_whitespace=True,
    )


class TimestampSchema(BaseSchema):
    """When a row was created and last changed, in UTC."""

    created_at: dt.datetime
    updated_at: dt.datetime
