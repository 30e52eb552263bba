"""Summaries are found by document and by what made them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.models import Summary
from axai_pg.data.repositories import SummaryRepository

if TYPE_CHECKING:
    from andamios_orm import Session
    from axai_pg.data.models import Document

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
async def summaries(session: Session, document: Document) -> SummaryRepository:
    """Return three summaries of a document, by two tools."""
    summaries = SummaryRepository(session)
    rows: list[dict[str, Any]] = [
        {"content": "a", "tool_agent": "reader", "tool_version": "1", "confidence_score": 0.4},
        {"content": "b", "tool_agent": "reader", "tool_version": "2", "confidence_score": 0.9},
        {"content": "c", "tool_agent": "person", "summary_type": "detailed"},
    ]
    for row in rows:
        await summaries.create({"document_id": document.id, **row})
    return summaries


async def test_summaries_are_found_by_document_and_type(
    summaries: SummaryRepository, document: Document
) -> None:
    every = await summaries.find_by_document(document.id)
    detailed = await summaries.find_by_document(document.id, summary_type="detailed")

    assert [each.content for each in every] == ["c", "b", "a"]
    assert [each.content for each in detailed] == ["c"]
    assert await summaries.find_by_document(document.id, 1, 1) == every[1:2]


@pytest.mark.parametrize(
    ("options", "found"),
    [({}, ["b", "a"]), ({"tool_version": "1"}, ["a"]), ({"min_confidence": 0.5}, ["b"])],
)
async def test_summaries_are_found_by_tool(
    summaries: SummaryRepository, options: dict[str, Any], found: list[str]
) -> None:
    assert [each.content for each in await summaries.find_by_tool("reader", **options)] == found


async def test_the_best_is_the_one_its_tool_was_the_surest_of(
    summaries: SummaryRepository, document: Document
) -> None:
    best = await summaries.best(document.id)
    detailed = await summaries.best(document.id, summary_type="detailed")

    assert best is not None
    assert detailed is not None
    assert (best.content, detailed.content) == ("b", "c")
    assert await summaries.best(document.id, summary_type="none") is None


@pytest.mark.parametrize("confidence", [-0.1, 1.1, "sure"])
async def test_a_confidence_is_from_0_to_1(
    summaries: SummaryRepository, document: Document, confidence: object
) -> None:
    (first, *_) = await summaries.find_by_document(document.id)

    with pytest.raises(ValueRefused, match="confidence_score"):
        await summaries.update(first.id, {"confidence_score": confidence})

    assert await summaries.count() == 3


async def test_a_confidence_is_reckoned_with_and_compared_with_any_number(
    session: Session, summaries: SummaryRepository
) -> None:
    score = Summary.confidence_score
    percent = select(score * 100, score + 0.5).where(score.is_not(None)).order_by(score)

    assert (await session.execute(percent)).all() == [
        (Decimal(40), Decimal("0.9")),
        (Decimal(90), Decimal("1.4")),
    ]
    assert not await summaries.exists(score > 1.5)
    assert await summaries.count(score < Decimal("0.40005")) == 1
    assert await summaries.count(confidence_score=0.4) == 1
