"""Texts of others, as they may be printed."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from andamios_orm.core.lines import in_place, one_line, printable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("né 年 👍🏽", "né 年 👍🏽"),
        ("a\n\tb\r\nc", "a b c"),
        ("\x1b]0;title\x07\x9b31m", " ]0;title 31m"),
        ("a\u202etxt.exe", "a txt.exe"),
        ("caf\udce9", "caf "),
    ],
)
def test_what_a_terminal_would_obey_becomes_a_blank(text: str, line: str) -> None:
    assert one_line(text) == line
    assert one_line(text).encode()


@pytest.mark.slow
def test_no_control_and_no_line_is_left() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    obeyed = [sign for sign in every if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}] + [
        sign for sign in every if unicodedata.bidirectional(sign) in _TURNS
    ]

    assert {one_line(sign) for sign in obeyed} == {" "}
    assert {in_place(sign) for sign in obeyed} == {" "}
    assert {sign for sign in obeyed if printable(sign) != " "} == {"\n"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a  column   wide", "a  column   wide"),
        ("a\n\tb\x07", "a  b "),
        ("\x1b[1mbold\x1b[0m", " [1mbold [0m"),
    ],
)
def test_blanks_stay_in_place(text: str, kept: str) -> None:
    assert in_place(text) == kept


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\x1b[1;31mred\x1b[0m\n  next", "\x1b[1;31mred\x1b[0m\n  next"),
        ("\x1b]0;title\x07\x1b[2J\x1b[H\rname", " ]0;title  [2J [H name"),
    ],
)
def test_colours_and_ends_of_lines_are_printed(text: str, printed: str) -> None:
    assert printable(text) == printed


_TURNS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
