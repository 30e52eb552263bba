from __future__ import annotations

import pytest

from project_architect_db.reporting.markup import Html, joined, tag

pytestmark = pytest.mark.unit


def test_text_and_attributes_are_escaped_and_tags_are_not() -> None:
    inner = tag("b", "<&>", title="\"'>")

    assert joined(inner, "<i>") == ('<b title="&quot;&#x27;&gt;">&lt;&amp;&gt;</b>&lt;i&gt;')


def test_an_attribute_of_none_is_left_out() -> None:
    assert tag("td", class_=None, data_n=0) == '<td data-n="0"></td>'


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (tag("meta", charset="utf-8"), '<meta charset="utf-8">'),
        (tag("rect", width=1.5), '<rect width="1.5"/>'),
        (tag("rect", Html("<title>a</title>")), "<rect><title>a</title></rect>"),
    ],
)
def test_elements_without_content_are_closed_as_html_and_svg_do(made: Html, expected: str) -> None:
    assert made == expected
