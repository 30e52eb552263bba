"""Figures about conversations, out of plain rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.recomputation.numbers_of import distribution, grouped, p90, quotient, seconds
from tests.recomputation.steps import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.recomputation.rows import Question, Row, Rows

__all__ = ["conversation_flow_analysis", "conversation_metrics", "in_phases"]

LENGTHS = {"0-9": 0, "10-49": 10, "50-199": 50, "200-999": 200, "1000+": 1_000}


def in_phases(rows: Rows, question: Question) -> dict[str, int]:
    """Return how many conversations of the range are in each phase."""
    now = Counter(row["phase"] for row in _asked(rows, question))
    others = sorted(set(now) - set(question.phases))
    return {phase: now[phase] for phase in (*question.phases, *others)}


def conversation_metrics(rows: Rows, question: Question) -> Row:
    """Return the fields of ``ConversationMetrics``; ``rows`` are those that count."""
    conversations = _asked(rows, question)
    messages = [row for row in rows.messages if question.has(row["time"])]
    written = Counter(row["conversation_id"] for row in rows.messages)
    last = question.phases[-1]
    return {
        **question.head(),
        "total_conversations": len(conversations),
        "conversations_by_phase": in_phases(rows, question),
        "open_conversations": sum(row["phase"] != last for row in conversations),
        "phases": _phases(rows, question),
        "messages_per_conversation": distribution([written[row["id"]] for row in conversations]),
        "total_messages": len(messages),
        "total_words": _words(messages),
        "total_tokens": _tokens(messages),
        "messages_by_role": _by_role(messages),
    }


def conversation_flow_analysis(rows: Rows, question: Question) -> Row:
    """Return the fields of ``ConversationFlowMetrics``."""
    metrics = conversation_metrics(rows, question)
    times = [
        shown(row["time"], question.zone) for row in rows.messages if question.has(row["time"])
    ]
    words = [_words([row]) for row in rows.messages if question.has(row["time"])]
    hours = Counter(time.hour for time in times)
    days = Counter(time.weekday() for time in times)
    lengths = Counter(_length(each) for each in words)
    return {
        **metrics,
        "funnel": _funnel(metrics["conversations_by_phase"], question.phases),
        "bottlenecks": _bottlenecks(rows, question),
        "messages_by_hour": [hours[hour] for hour in range(24)],
        "messages_by_weekday": [days[day] for day in range(7)],
        "message_lengths": {name: lengths[name] for name in LENGTHS},
    }


def _asked(rows: Rows, question: Question) -> list[Row]:
    return [row for row in rows.conversations if question.has(row["created_at"])]


def _phases(rows: Rows, question: Question) -> list[dict[str, Any]]:
    conversations = _asked(rows, question)
    keys = {row["id"] for row in conversations}
    ended = grouped((row for row in rows.stays if row["conversation_id"] in keys), "phase")
    here = grouped(conversations, "phase")
    others = sorted({*ended, *here} - set(question.phases))
    return [
        _phase(phase, here.get(phase, []), ended.get(phase, []), question)
        for phase in (*question.phases, *others)
    ]


def _phase(phase: str, here: list[Row], ended: list[Row], question: Question) -> dict[str, Any]:
    stays = [seconds(row["entered_at"], row["left_at"]) for row in ended]
    waits = [max(0.0, seconds(row["phase_entered_at"], question.as_of)) for row in here]
    usual = p90(stays)
    counts = usual is not None and phase != question.phases[-1]
    return {
        "phase": phase,
        "stays": distribution(stays),
        "waiting": len(here),
        "waiting_seconds": float(sum(waits)),
        "overdue": sum(wait > usual for wait in waits) if counts and usual is not None else 0,
    }


def _bottlenecks(rows: Rows, question: Question) -> list[dict[str, Any]]:
    last = question.phases[-1]
    phases = [each for each in _phases(rows, question) if each["phase"] != last]
    total = sum(each["waiting_seconds"] for each in phases)
    waited = [each for each in phases if each["waiting_seconds"] > 0]
    waited.sort(key=lambda each: -each["waiting_seconds"])
    return [
        {
            "phase": each["phase"],
            "waiting": each["waiting"],
            "waiting_seconds": each["waiting_seconds"],
            "share": each["waiting_seconds"] / total,
            "average_wait": each["waiting_seconds"] / each["waiting"],
            "overdue": each["overdue"],
            "usual_wait": each["stays"]["median"],
        }
        for each in waited[:3]
    ]


def _funnel(now: dict[str, int], phases: Sequence[str]) -> list[dict[str, Any]]:
    reached = [sum(now[phase] for phase in phases[place:]) for place in range(len(phases))]
    steps = []
    for place, phase in enumerate(phases):
        is_last = place == len(phases) - 1
        stopped = now[phase]
        left = quotient(0 if is_last else stopped, reached[place])
        steps.append(
            {
                "phase": phase,
                "reached": reached[place],
                "share": quotient(reached[place], reached[0]),
                "stopped": stopped,
                "drop_off": left,
            }
        )
    return steps


def _by_role(messages: list[Row]) -> list[dict[str, Any]]:
    roles = sorted(grouped(messages, "role").items(), key=lambda each: (-len(each[1]), each[0]))
    return [
        {
            "role": role,
            "messages": len(said),
            "words": _words(said),
            "tokens": _tokens(said),
            "average_words": _words(said) / len(said),
        }
        for role, said in roles
    ]


def _words(messages: list[Row]) -> int:
    return sum(len(row["content"].split()) for row in messages)


def _tokens(messages: list[Row]) -> int:
    return sum(row["tokens"] or 0 for row in messages)


def _length(words: int) -> str:
    return [name for name, least in LENGTHS.items() if words >= least][-1]
