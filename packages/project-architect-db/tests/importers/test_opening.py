"""Files and streams: which format they are in, and what cannot be opened."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from project_architect_db.importers import FormatUnknown, SourceMissing, SourceRefused, opening
from project_architect_db.importers.entities import ENTITIES
from project_architect_db.importers.opening import FORMATS, RowsFile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

PROJECT = ENTITIES["project"]


def opened(source: Any, told: str | None = None) -> RowsFile:
    return RowsFile(source, PROJECT, format=told, encoding=None)


@pytest.mark.parametrize("suffix", [".ndjson", ".jsonl", ".JSON", ".csv", ".tsv"])
def test_the_format_is_known_by_the_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_text("[]" if suffix == ".JSON" else "name\n", encoding="utf-8")

    with opened(str(path)) as file:
        assert suffix.lower() in FORMATS[file.format]
        assert (file.name, file.size) == (str(path), path.stat().st_size)


def test_the_name_of_a_stream_tells_its_format_as_well(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"name\n")

    with path.open("rb") as stream:
        with opened(stream) as file:
            assert (file.format, file.header) == ("csv", ("name",))
        assert not stream.closed


@pytest.mark.parametrize(
    ("source", "told", "reason"),
    [
        ("rows.xlsx", None, "rows.xlsx: the suffix '.xlsx' tells no format: pass format=, one of "),
        ("rows", None, "rows: it has no suffix: pass format=, one of ndjson, json, csv, "),
        (io.BytesIO(), None, "the stream: it has no suffix: pass format="),
        ("rows.csv", "cvs", "rows.csv: format='cvs': known are .*, did you mean 'csv'"),
    ],
)
def test_a_format_that_nobody_tells_is_asked_for(
    source: Any, told: str | None, reason: str
) -> None:
    with pytest.raises(FormatUnknown, match=reason) as refused:
        opened(source, told)

    assert refused.value.known == tuple(FORMATS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.csv", "No such file or directory"),
        ("folder.csv", "Is a directory"),
        ("rows.csv/rows.csv", "Not a directory"),
        ("loop.csv", "Too many levels of symbolic links"),
        ("a\0b.csv", "embedded null byte"),
        (f"{'a' * 300}.csv", "File name too long"),
    ],
    ids=["missing", "folder", "file in the way", "loop", "null byte", "long"],
)
def test_what_is_no_file_is_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "rows.csv").touch()

    with pytest.raises(SourceMissing, match=f"{name}: it cannot be opened: {reason}"):
        opened(tmp_path / name)


def test_a_stream_of_text_is_refused() -> None:
    with pytest.raises(SourceRefused, match="pass one of bytes"):
        opened(io.StringIO("name\n"), "csv")


async def test_rows_come_in_pieces_with_numbers_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 2)

    with opened(io.BytesIO(b"name\na\n\nb\nc\n"), "csv") as file:
        pieces = [piece async for piece in file.pieces()]

        assert file.share() is None
    assert [piece.places for piece in pieces] == [[(1, 2), (2, 4)], [(3, 5)]]
    assert [piece.rows for piece in pieces] == [[{"name": "a"}, {"name": "b"}], [{"name": "c"}]]


async def test_a_piece_is_bounded_in_bytes_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opening, "_BYTES", 10_000)
    path = tmp_path / "rows.ndjson"
    path.write_text(f'{{"name": "{"x" * 9_000}"}}\n' * 20, encoding="utf-8")

    with opened(path) as file:
        shares = [file.share() or 0 async for _ in file.pieces()]

    assert len(shares) >= 10
    assert shares == sorted(shares)
    assert shares[-1] == 1
