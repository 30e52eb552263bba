"""What is in an archive, as its ``manifest.json`` says."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from axai_pg.exceptions import ArchiveRefused

__all__ = ["MANIFEST", "Manifest", "Part"]

MANIFEST: Final = "manifest.json"
_FORMAT: Final = "axai-organization"
_VERSION: Final = 1
_DIGEST_LENGTH: Final = 64
_LONGEST_NAME: Final = 255
_NONSENSE: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What comes of a document that is another than ours."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a table: a line of JSON each, in a file of so many bytes with this digest."""

    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.table}.ndjson"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An organisation and what it had at one moment; ``change`` is the last of the schema then.

    ``administrators`` is how many of its users are some, where the rows were read; else None.
    """

    org_id: uuid.UUID
    name: str
    made_at: dt.datetime
    change: str | None
    parts: tuple[Part, ...]
    administrators: int | None = field(default=None, compare=False)

    @property
    def rows(self) -> int:
        """How many rows there are of all tables."""
        return sum(part.rows for part in self.parts)

    def written(self) -> bytes:
        """Return it as the file is."""
        document = {
            "format": _FORMAT,
            "version": _VERSION,
            "organization": {"id": str(self.org_id), "name": self.name},
            "made_at": self.made_at.isoformat(),
            "change": self.change,
            "tables": [asdict(part) for part in self.parts],
        }
        return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"

    @classmethod
    def read(cls, content: bytes) -> Manifest:
        """Return what a file says.

        Raises:
            ArchiveRefused: it is none, or one of a newer version.
        """
        try:
            document = json.loads(content)
            json.dumps(document, ensure_ascii=False).encode()  # half a pair cannot be told
            if document["format"] != _FORMAT:
                raise ArchiveRefused(f"{MANIFEST} is not that of an organisation")
            if document["version"] != _VERSION:
                raise ArchiveRefused(
                    f"{MANIFEST} has version {document['version']!r}: read it with a newer axai-pg"
                )
            return cls(
                _key(document["organization"]["id"]),
                _name(document["organization"]["name"]),
                dt.datetime.fromisoformat(document["made_at"]),
                None if document["change"] is None else str(document["change"]),
                tuple(_part(each) for each in document["tables"]),
            )
        except _NONSENSE as error:
            if isinstance(error, ArchiveRefused):
                raise
            raise ArchiveRefused(
                f"{MANIFEST} cannot be understood ({type(error).__name__}: {error})"
            ) from error


def _key(value: str) -> uuid.UUID:
    key = uuid.UUID(value)
    if not key.int:
        raise ValueError("no organisation has the nil UUID")
    return key


def _name(value: object) -> str:
    name = str(value)
    if "\0" in name or not name.strip() or len(name) > _LONGEST_NAME:
        raise ValueError(f"no organisation can be called {name[:_LONGEST_NAME]!r}")
    return name


def _part(document: dict[str, Any]) -> Part:
    part = Part(
        str(document["table"]),
        tuple(map(str, document["columns"])),
        int(document["rows"]),
        int(document["bytes"]),
        str(document["sha256"]),
    )
    if min(part.rows, part.bytes) < 0 or len(part.sha256) != _DIGEST_LENGTH:
        raise ValueError(f"what it says of {part.table!r} makes no sense")
    return part
