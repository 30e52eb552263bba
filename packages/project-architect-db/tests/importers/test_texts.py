"""Texts read a piece at a time: what is in them, and where it is when it is wrong."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from project_architect_db.importers import EncodingRefused, SourceDamaged, texts
from project_architect_db.importers.texts import Text, csv_rows, json_rows, ndjson_rows

if TYPE_CHECKING:
    from project_architect_db.importers.texts import Found

pytestmark = pytest.mark.unit

ROWS = [{"name": "a", "n": [1, {"b": '}]\\"é'}]}, {}, {"name": "b", "n": 12345}]
NAMES = frozenset({"project", "projects"})
OTHERS = frozenset({"document", "documents"})


def text_of(content: str | bytes, encoding: str | None = None, written: str = "utf-8") -> Text:
    plain = content.encode(written) if isinstance(content, str) else content
    return Text("it", io.BytesIO(plain), encoding)


def of_json(content: str) -> list[Found]:
    return list(json_rows(text_of(content), NAMES, OTHERS))


def of_csv(content: str) -> list[Found]:
    return list(csv_rows(text_of(content))[1])


# ---- encodings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        (None, "utf-8"),
        (None, "utf-8-sig"),
        ("UTF8", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
        ("shift_jis", "ascii"),
    ],
)
def test_a_text_is_read_in_its_encoding(encoding: str | None, written: str) -> None:
    said = "plain" if written == "ascii" else "café"

    text = text_of(f"{said}\n", encoding, written)

    assert list(text.lines()) == [f"{said}\n"]
    assert text.position == len(f"{said}\n".encode(written))


@pytest.mark.parametrize("before", [0, 3, 8_190, 100_000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_no_utf_8_is_named_by_its_place(before: int, mark: bytes) -> None:
    content = mark + b"x" * before + b"caf\xe9 au lait\n"

    with pytest.raises(EncodingRefused) as refused:
        list(text_of(content).lines())

    assert (refused.value.offset, refused.value.encoding) == (len(mark) + before + 3, "utf-8")
    assert f"byte {len(mark) + before + 3} (0xe9) is no UTF-8: pass encoding=" in str(refused.value)


def test_a_character_that_is_cut_off_at_the_end_is_named_by_its_place() -> None:
    with pytest.raises(EncodingRefused) as refused:
        list(text_of(b"caf\xc3").lines())

    assert refused.value.offset == 3


@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be"])
def test_a_text_in_utf_16_is_known_by_its_mark(written: str) -> None:
    with pytest.raises(EncodingRefused, match="encoding='utf-16'") as refused:
        text_of("\ufeffname\n", None, written).read(10)

    assert refused.value.offset == 0


@pytest.mark.parametrize("encoding", ["utf-99", "zlib", "a\0b"])
def test_an_encoding_that_is_none_is_refused(encoding: str) -> None:
    with pytest.raises(EncodingRefused, match="no encoding is called"):
        text_of("x", encoding)


def test_a_line_has_a_longest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LONGEST", 10)

    with pytest.raises(SourceDamaged, match="a line has more than 10 characters"):
        list(text_of("x" * 11).lines())


# ---- NDJSON ------------------------------------------------------------------------------


def test_each_line_of_ndjson_is_a_row_or_says_why_not() -> None:
    content = '{"a": 1}\n\n  \r\n[1]\nnull\n{"b": 2\n"x"\n3\n1.5\ntrue\n{"c": "é"}'

    assert list(ndjson_rows(text_of(content))) == [
        (1, {"a": 1}),
        (4, "a row is an object, not a list"),
        (5, "a row is an object, not null"),
        (6, "it is no JSON: unexpected end of data at character 9"),
        (7, "a row is an object, not text"),
        (8, "a row is an object, not a number"),
        (9, "a row is an object, not a number"),
        (10, "a row is an object, not true or false"),
        (11, {"c": "é"}),
    ]


# ---- JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 16])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_item_by_item(
    monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(texts, "_CHUNK", chunk)

    found = of_json(json.dumps(ROWS, indent=indent, ensure_ascii=False) + " \n")

    assert [row for _, row in found] == ROWS
    assert [line for line, _ in found] == ([1, 1, 1] if indent is None else [2, 11, 12])


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("[]", []),
        ("[12, 3]", ["a row is an object, not a number"] * 2),
        ("{}", [{}]),
        ('{"name": "a", "tags": [1]}', [{"name": "a", "tags": [1]}]),
        ('{"projects": [{"name": "a"}], "v": 1}', [{"name": "a"}]),
        ('{"documents": [{"name": "d"}], "project": [{"name": "a"}]}', [{"name": "a"}]),
        ('{"documents": [{"name": "d"}]}', []),
        ('{"project": "Shop", "name": "a"}', [{"project": "Shop", "name": "a"}]),
    ],
)
def test_an_object_is_one_row_or_has_an_array_by_entity(content: str, rows: list[Any]) -> None:
    assert [row for _, row in of_json(content)] == rows


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1: there is neither an array nor an object"),
        ("\n7", "line 2: there is neither an array nor an object"),
        ('[{"a": 1},\n{"b" 2}]', "line 2: it is no JSON: Expecting ':' delimiter"),
        ('[{"a": 1}\n{"b": 2}]', "line 2: ',' was expected, and '{' is there"),
        ('[{"a": 1}', "line 1: ',' was expected, and the end is there"),
        ("[1,]", "line 1: it is no JSON: Expecting value"),
        ("[{}] x", "line 1: something follows what should be all of it"),
        ("{1: 2}", "line 1: a key is text in quotes"),
        ('{"a": 1 "b"}', "line 1: ',' was expected, and '\"' is there"),
        ('{"a" 1}', "line 1: ':' was expected, and '1' is there"),
        ('[{"a": NaN}]', "line 1: it is no JSON: NaN is no number"),
        ('[{"a": ' + "1" * 5_000 + "}]", "line 1: it is no JSON: Exceeds the limit"),
        ("[" + "[" * 200_000, "line 1: it is no JSON: "),
    ],
)
def test_json_that_is_none_is_refused_with_its_line(content: str, reason: str) -> None:
    with pytest.raises(SourceDamaged) as refused:
        of_json(content)

    assert str(refused.value).startswith(f"it: {reason}")
    assert refused.value.line == int(reason.split()[1].rstrip(":"))


def test_an_item_has_a_longest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LONGEST", 10)
    monkeypatch.setattr(texts, "_CHUNK", 8)

    with pytest.raises(SourceDamaged, match="an item has more than 10 characters"):
        of_json('[{"a": "' + "x" * 100)


# ---- CSV ---------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_first_line_of_csv_tells_names_and_delimiter(delimiter: str) -> None:
    lines = ["name, what", '"a\n,;b",x', "", ",y", "only", '"""q""",é\r']

    names, found = csv_rows(text_of("\n".join(lines).replace(",", delimiter)))

    assert names == ("name", "what")
    assert list(found) == [
        (2, {"name": f"a\n{delimiter};b", "what": "x"}),
        (5, {"what": "y"}),
        (6, "it has 1 cells, and the first line has 2"),
        (7, {"name": '"q"', "what": "é"}),
    ]


def test_a_cell_may_hold_a_whole_document() -> None:
    long = "x" * 300_000

    assert of_csv(f"content\n{long}\n") == [(2, {"content": long})]


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        ("", "the first line has no names of columns", 1),
        (" \n", "the first line has no names of columns", 1),
        ("a,b,a\n", "columns come twice: 'a'", 1),
        ('"a"b\n', "it is no CSV: ',' expected after '\"'", 1),
        ('a\n"x"y\n', "it is no CSV: ',' expected after '\"'", 2),
        ('a\nx\n"y\n', "it is no CSV: unexpected end of data", 3),
    ],
)
def test_csv_that_is_none_is_refused_with_its_line(content: str, reason: str, line: int) -> None:
    with pytest.raises(SourceDamaged) as refused:
        of_csv(content)

    assert (str(refused.value), refused.value.line) == (f"it: line {line}: {reason}", line)
