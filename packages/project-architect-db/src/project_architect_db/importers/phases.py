"""Commits as conversations, and the phase of a project that each is about.

**Which commits are one conversation.** A merge into the main line (what HEAD leads to by
first parents) closes one: the commits that it brought in, then its own message. Commits
that were made on the main line itself are one conversation for each calendar week (ISO,
UTC). Commits that only a tag leads to are, for each week, one as well.

**In which phase a commit is.** The first rule that holds:

1. a merge or a revert is ``review``;
2. the first commit of all is ``project_idea``;
3. words of the subject (``WORDS``), in the order of that table;
4. the type before the colon, as of Conventional Commits (``PREFIXES``);
5. the phase of its paths (``PATHS``), if more than two thirds of them have the same;
6. ``implementation``.

A conversation is in the phase of most of its commits; of several, in the latest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from project_architect_db.importers.history import Commit

__all__ = [
    "PATHS",
    "PHASES",
    "PIECE",
    "PREFIXES",
    "WORDS",
    "Conversation",
    "Message",
    "Phase",
    "conversations",
    "phase_of",
]

Phase = Literal[
    "project_idea",
    "requirements",
    "architecture",
    "design",
    "implementation",
    "review",
    "deployment",
    "done",
]
"""A phase that commits can be in."""

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)

PIECE: Final = 500
"""Messages of one conversation that are handed out at once."""

_WORDS: Final[tuple[tuple[Phase, str], ...]] = (
    ("done", r"end of life|eol\b|sunset|archive (?:the |this )?(?:project|repository)"),
    ("deployment", r"^(?:release|version|bump version|v?\d+\.\d+(?:\.\d+)?$)|deploy|rollout"),
    ("deployment", r"prepare (?:the |for )?release|go live\b|publish"),
    ("project_idea", r"^initial (?:commit|import)|project idea|proposal\b|brainstorm|vision\b"),
    ("requirements", r"requirements?(?!\S)|user stor(?:y|ies)|acceptance criteria|use cases?\b"),
    ("architecture", r"architect|adr\b|decision record|layering\b"),
    ("design", r"design\b|mock-?up|wireframe|prototype|data model\b"),
    ("review", r"code review|review (?:comments|feedback|notes|findings)"),
    ("review", r"address(?:ed)? (?:the )?review"),
)

WORDS: Final = tuple((phase, re.compile(rf"\b(?:{words})")) for phase, words in _WORDS)
"""What the words of a subject tell, in small letters; the first that is found."""

PREFIXES: Final[dict[str, Phase]] = {
    "idea": "project_idea",
    "spec": "requirements",
    "req": "requirements",
    "requirements": "requirements",
    "arch": "architecture",
    "architecture": "architecture",
    "adr": "architecture",
    "design": "design",
    "feat": "implementation",
    "feature": "implementation",
    "fix": "implementation",
    "bugfix": "implementation",
    "hotfix": "implementation",
    "perf": "implementation",
    "refactor": "implementation",
    "style": "implementation",
    "test": "implementation",
    "tests": "implementation",
    "review": "review",
    "revert": "review",
    "build": "deployment",
    "ci": "deployment",
    "deploy": "deployment",
    "release": "deployment",
}
"""What the type of a commit tells. The others (chore, docs, an area) tell nothing."""

_PATHS: Final[tuple[tuple[Phase, str], ...]] = (
    (
        "requirements",
        r"(?:^|/)(?:requirements|specs?|prd|user-stories)/|(?:^|/)(?:prd|requirements)\.md$",
    ),
    ("architecture", r"(?:^|/)(?:adrs?|architecture|decisions)/|(?:^|/)architecture\.\w+$"),
    ("design", r"(?:^|/)designs?/|\.(?:proto|fig|sketch|drawio|puml|graphql)$|openapi\.\w+$"),
    (
        "deployment",
        r"^\.(?:github/workflows|gitlab-ci|circleci)|(?:^|/)(?:deploy|helm|terraform|k8s)/",
    ),
    ("deployment", r"(?:^|/)(?:docker|compose|jenkinsfile|procfile)[^/]*$|\.tf$"),
    ("review", r"(?:^|/)(?:codeowners|reviewers?|pull_request_template)(?:\.\w+)?$"),
)

PATHS: Final = tuple((phase, re.compile(pattern, re.IGNORECASE)) for phase, pattern in _PATHS)
"""What a path that a commit touches tells, the first that matches."""

_ANY_WORD: Final = re.compile(rf"\b(?:{'|'.join(words for _, words in _WORDS)})")
_PREFIX: Final = re.compile(r"(\w+)(?:\([^)]*\))?!?:\s")
_MERGE: Final = re.compile(r"merge\b|revert\b", re.IGNORECASE)
# "Merge pull request #7 from someone/branch": the title follows in the body.
_EMPTY_TITLE: Final = re.compile(
    r"merge (?:pull request|branch|remote-tracking branch)\b", re.IGNORECASE
)
_LONGEST: Final = 10_000  # characters of a message
_WIDEST: Final = 200  # characters of a title


@dataclass(frozen=True, slots=True)
class Message:
    """What one commit says. ``role`` is ``reviewer`` for a merge, ``author`` else."""

    commit: str
    role: Literal["author", "reviewer"]
    name: str
    email: str
    said_at: datetime
    content: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Conversation:
    """Some messages of a conversation.

    ``key`` is the same in every reading. It may come again, in this reading after
    ``PIECE`` messages or in a later one: its messages then follow the earlier ones.
    """

    key: str
    title: str
    phase: Phase
    messages: tuple[Message, ...]


def phase_of(commit: Commit) -> Phase:
    """Return the phase of a project that a commit is about; see the rules above."""
    if commit.is_merge or _MERGE.match(commit.subject):
        return "review"
    if not commit.parents:
        return "project_idea"
    subject = commit.subject.lower()
    if _ANY_WORD.search(subject):
        return next(phase for phase, pattern in WORDS if pattern.search(subject))
    prefix = _PREFIX.match(commit.subject)
    if prefix and (found := PREFIXES.get(prefix[1].lower())):
        return found
    return _phase_of_paths([change.path for change in commit.files])


def _phase_of_paths(paths: list[str]) -> Phase:
    told = Counter(phase for path in paths if (phase := _phase_of_path(path)))
    if told:
        phase = _most_common(told)
        if 3 * told[phase] > 2 * len(paths):
            return phase
    return "implementation"


@lru_cache(maxsize=4096)  # the same files are changed again and again
def _phase_of_path(path: str) -> Phase | None:
    return next((phase for phase, pattern in PATHS if pattern.search(path)), None)


def _most_common(told: Counter[Phase]) -> Phase:
    """Return the phase that comes most often; of several, the latest."""
    return max(told, key=lambda phase: (told[phase], PHASES.index(phase)))


def message_of(commit: Commit) -> Message:
    """Return what a commit says, with the phase it is about."""
    content = f"{commit.subject}\n\n{commit.body}" if commit.body else commit.subject
    return Message(
        commit.id,
        "reviewer" if commit.is_merge else "author",
        commit.author.name,
        commit.author.email,
        commit.committed_at,
        content[:_LONGEST],
        phase_of(commit),
    )


def conversations(commits: Iterable[Commit], main_line: AbstractSet[str]) -> Iterator[Conversation]:
    """Yield the conversations of a history that comes oldest first.

    What waits for its merge is held in memory, and nothing else.
    """
    branches: dict[str, tuple[int, Commit]] = {}
    week = ""
    days: list[Commit] = []
    for place, commit in enumerate(commits):
        if commit.id not in main_line:
            branches[commit.id] = place, commit
        elif commit.is_merge:
            brought = _brought_in(commit, branches)
            yield from _pieces(f"merge {commit.id}", _title_of(commit), [*brought, commit])
        else:
            own = _week(commit)
            if own != week or len(days) == PIECE:
                yield from _pieces(f"week {week}", f"Week {week}", days)
                week, days = own, []
            days.append(commit)
    yield from _pieces(f"week {week}", f"Week {week}", days)
    yield from _left_over(commit for _, commit in branches.values())


def _brought_in(merge: Commit, branches: dict[str, tuple[int, Commit]]) -> list[Commit]:
    """Take out of ``branches`` what a merge brought in; return it, oldest first."""
    taken: list[tuple[int, Commit]] = []
    ahead = list(merge.parents[1:])
    while ahead:
        found = branches.pop(ahead.pop(), None)
        if found is not None:
            taken.append(found)
            ahead.extend(found[1].parents)
    return [commit for _, commit in sorted(taken, key=lambda each: each[0])]


def _left_over(commits: Iterable[Commit]) -> Iterator[Conversation]:
    weeks: dict[str, list[Commit]] = {}
    for commit in commits:
        weeks.setdefault(_week(commit), []).append(commit)
    for week, found in weeks.items():
        yield from _pieces(f"side {week}", f"Week {week}, beside the main line", found)


def _week(commit: Commit) -> str:
    year, week, _ = commit.committed_at.isocalendar()
    return f"{year:04}-W{week:02}"


def _title_of(merge: Commit) -> str:
    """Return what a merge is about: the first line of its body where the subject is made up."""
    first = merge.body.partition("\n")[0].strip()
    if first and _EMPTY_TITLE.match(merge.subject):
        return first[:_WIDEST]
    return merge.subject[:_WIDEST] or f"Merge {merge.id[:12]}"


def _pieces(key: str, title: str, commits: list[Commit]) -> Iterator[Conversation]:
    for start in range(0, len(commits), PIECE):
        messages = tuple(message_of(commit) for commit in commits[start : start + PIECE])
        phase = _most_common(Counter(message.phase for message in messages))
        yield Conversation(key, title, phase, messages)
