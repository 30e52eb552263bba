"""Figures about conversations: their phases, and the messages in them."""

from __future__ import annotations

from project_architect_db.schemas.analytics.results import AnalyticsResult, Part
from project_architect_db.schemas.analytics.statistics import Distribution, DurationStatistics

__all__ = [
    "Bottleneck",
    "ConversationFlowMetrics",
    "ConversationMetrics",
    "FunnelStep",
    "PhaseFlow",
    "RoleMessages",
]


class RoleMessages(Part):
    """The messages of one role: those of ``time`` in the range, of conversations not deleted."""

    role: str
    """Who speaks, such as ``user`` or ``assistant``."""
    messages: int
    """How many there are; never 0."""
    words: int
    """The sum of their ``words``."""
    tokens: int
    """The sum of their ``tokens``; unknown ones count as 0."""
    average_words: float
    """``words / messages``."""


class PhaseFlow(Part):
    """One phase: how long conversations stayed in it, and how long those in it now wait."""

    phase: str
    """Its name."""
    stays: DurationStatistics
    """The stays that have ended: the ``seconds`` of the rows of ``ConversationPhase``. One who
    came back has two."""
    waiting: int
    """How many conversations are in it now."""
    waiting_seconds: float
    """The sum of how long they have been in it: ``as_of - phase_entered_at``, at least 0 for
    each. 0 if nobody waits."""
    overdue: int
    """How many of them have been in it for longer than ``stays.p90``; 0 if no stay has ended,
    and 0 in the last phase."""


class ConversationMetrics(AnalyticsResult):
    """The conversations created in the date range, as they are now, and what was said in it.

    A conversation counts if it is not deleted and its ``created_at`` is in ``[start, end)``;
    with a viewer, if the viewer owns its project or is a member of it. Messages count by their
    own ``time``, whenever their conversation was created, unless that is deleted.
    """

    total_conversations: int
    """How many conversations there are."""
    conversations_by_phase: dict[str, int]
    """In which phase they are now. The known phases come first, in their order, all of them;
    others by name (code points), if somebody is in one."""
    open_conversations: int
    """How many are not in the last phase, which is ``done``."""
    phases: list[PhaseFlow]
    """Each phase, in the order of ``conversations_by_phase``; others also if only a stay has
    ended in them. Stays are those of the conversations that count."""
    messages_per_conversation: Distribution
    """The ``message_count`` of each conversation: of all its messages, whenever written. Those
    with none count as 0."""
    total_messages: int
    """How many messages were written."""
    total_words: int
    """The sum of their ``words``."""
    total_tokens: int
    """The sum of their ``tokens``; unknown ones count as 0."""
    messages_by_role: list[RoleMessages]
    """The same by role: most messages first, equals by role (code points)."""


class FunnelStep(Part):
    """How many conversations are in one phase or in one behind it."""

    phase: str
    """The phase, one of the known ones."""
    reached: int
    """How many conversations are now in this phase, or in a known one behind it. One that went
    back counts by where it is now; those in unknown phases count nowhere."""
    share: float | None
    """``reached`` by the ``reached`` of the first phase; None if that is 0."""
    stopped: int
    """How many are now in exactly this phase, and so did not reach the next one (yet)."""
    drop_off: float | None
    """``stopped / reached``: the share that is not further; None if nobody reached it. Of the
    last phase, 0, or None."""


class Bottleneck(Part):
    """A phase in which conversations wait longest.

    The rule: of the phases, without the last one, in which at least one conversation has waited
    for more than 0 seconds, those three with the largest ``waiting_seconds``, largest first,
    equals in the order of ``phases``. That is how many wait, times how long on average.
    """

    phase: str
    """Its name."""
    waiting: int
    """How many conversations are in it now."""
    waiting_seconds: float
    """For how long, all together."""
    share: float
    """``waiting_seconds`` by the sum of it over all phases without the last one."""
    average_wait: float
    """``waiting_seconds / waiting``."""
    overdue: int
    """How many wait for longer than nine tenths of the stays that have ended, as in
    ``PhaseFlow``."""
    usual_wait: float | None
    """The median of the stays that have ended; None if none has."""


class ConversationFlowMetrics(ConversationMetrics):
    """The same, with how conversations go through phases, and when messages are written."""

    funnel: list[FunnelStep]
    """The known phases, in their order."""
    bottlenecks: list[Bottleneck]
    """Where conversations wait longest; at most three, none if nobody waits."""
    messages_by_hour: list[int]
    """How many messages were written in each hour of the day, 0 to 23, in the time zone: 24
    numbers."""
    messages_by_weekday: list[int]
    """How many were written on each day of the week, Monday first, in the time zone: 7 numbers."""
    message_lengths: dict[str, int]
    """How many messages have so many ``words``: ``0-9``, ``10-49``, ``50-199``, ``200-999``,
    ``1000+``, all five always there, in this order."""
