"""ETags of rows, and requests that depend on them (RFC 9110, sections 8.8.3 and 13)."""

# FastAPI reads annotations at run time, so they are not postponed here.
import re
from typing import Annotated

from fastapi import Depends, HTTPException
from sqlalchemy import inspect
from starlette.requests import Request
from starlette.responses import Response

from andamios_orm.exceptions import ConfigurationError

__all__ = [
    "Conditions",
    "ConditionsDependency",
    "RequiredConditionsDependency",
    "conditions",
    "etag_of",
    "required_conditions",
]

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_SAFE = {"GET", "HEAD"}


def etag_of(instance: object, *, weak: bool = False) -> str:
    """Return the entity tag of a row: its version, quoted.

    It is strong: the same tag, the same row. Say ``weak=True`` where the response
    shows more than the row, such as related ones; ``If-Match`` never takes that.

    Raises:
        ConfigurationError: the model has no version column.
    """
    mapper = inspect(instance).mapper
    column = mapper.version_id_col
    if column is None:
        raise ConfigurationError(
            f"{type(instance).__name__} has no version to make an ETag of: use VersionMixin"
        )
    version = getattr(instance, mapper.get_property_by_column(column).key)
    return f'{"W/" if weak else ""}"{version}"'


class Conditions:
    """What a request demands of the row it is about: ``If-Match`` and ``If-None-Match``.

    Dates (``If-Modified-Since``) are not looked at: a version is exact and they are not.
    """

    def __init__(self, request: Request, response: Response) -> None:
        """Read the headers of ``request``; ETags go to ``response``."""
        self._method = request.method
        self._response = response
        self._match = _tags(request, "if-match")
        self._none_match = _tags(request, "if-none-match")

    @property
    def is_guarded(self) -> bool:
        """Whether the request says which version, or none, it expects."""
        return self._match is not None or self._none_match is not None

    def check(self, instance: object | None, *, weak: bool = False) -> None:
        """Let the request go on, or end it: with 304 if the client has this row already.

        ``instance`` is the row as it is, or None if there is none. The response gets
        its ETag.

        Raises:
            HTTPException: 412, a condition does not hold; 304, nothing is new.
        """
        tag = None if instance is None else etag_of(instance, weak=weak)
        headers = {} if tag is None else {"ETag": tag}
        if self._match is not None and not _strongly(self._match, tag):
            raise HTTPException(412, "the row has another version than If-Match names", headers)
        if self._none_match is not None and _weakly(self._none_match, tag):
            if self._method in _SAFE:
                raise HTTPException(304, headers=headers)
            raise HTTPException(412, "the row exists, and If-None-Match excludes it", headers)
        self._response.headers.update(headers)

    def tag(self, instance: object, *, weak: bool = False) -> None:
        """Give the response the ETag of ``instance``, as it is now."""
        self._response.headers["ETag"] = etag_of(instance, weak=weak)


async def conditions(request: Request, response: Response) -> Conditions:
    """Return what the request demands of the row it is about."""
    return Conditions(request, response)


async def required_conditions(request: Request, response: Response) -> Conditions:
    """Return what the request demands of the row; it has to demand something.

    Raises:
        HTTPException: 428, it has neither ``If-Match`` nor ``If-None-Match``.
    """
    found = Conditions(request, response)
    if not found.is_guarded:
        raise HTTPException(428, "say which version you saw: send its ETag as If-Match")
    return found


ConditionsDependency = Annotated[Conditions, Depends(conditions)]
"""The conditions of a request, if it has any."""

RequiredConditionsDependency = Annotated[Conditions, Depends(required_conditions)]
"""The conditions of a request; one without them is answered with 428."""


def _tags(request: Request, name: str) -> list[str] | None:
    """Return the tags of a header; None without one. What is no tag matches nothing."""
    lines: list[str] = request.headers.getlist(name)
    if not lines:
        return None
    text = ", ".join(lines)
    if text.strip() == "*":
        return ["*"]
    return [(found[1] or "") + found[2] for found in _TAG.finditer(text)]


def _strongly(tags: list[str], tag: str | None) -> bool:
    if tag is None:
        return False
    return tags == ["*"] or (not tag.startswith("W/") and tag in tags)


def _weakly(tags: list[str], tag: str | None) -> bool:
    if tag is None:
        return False
    return tags == ["*"] or tag.removeprefix("W/") in {each.removeprefix("W/") for each in tags}
