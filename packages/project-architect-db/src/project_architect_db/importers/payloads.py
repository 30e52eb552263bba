"""What GitHub's API and its command line say, as what is stored of it.

Payloads are known by their keys, as the API names them (``html_url``) or ``gh --json``
(``url``). An issue, or a pull request, becomes a conversation:

======================================================================= ===============
what it is                                                              phase
======================================================================= ===============
a closed issue; a pull request that was merged or closed                done
a pull request, open                                                    review
a pull request that is a draft                                          implementation
an open issue, by the first of its labels that tells one (``LABELS``)   that one
any other open issue                                                    requirements
======================================================================= ===============

Its text is the first message (``author``), comments follow (``commenter``, ``bot``), and
so do reviews and their comments (``reviewer``). A workflow run becomes a build, a release a
deployment: of ``production``, or of ``preview`` if it is a prerelease.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from project_architect_db.models.repository import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "CONCLUSIONS",
    "LABELS",
    "STATUSES",
    "About",
    "Payload",
    "Release",
    "Remark",
    "Run",
    "Talk",
    "payload_of",
    "repository_of",
    "unwrapped",
]

LABELS: Final = (
    ("project_idea", re.compile(r"\b(?:idea|proposal|rfc|discussion|question)", re.IGNORECASE)),
    ("architecture", re.compile(r"\barchitect", re.IGNORECASE)),
    ("design", re.compile(r"\b(?:design|ux|ui)\b", re.IGNORECASE)),
    ("implementation", re.compile(r"\b(?:bug|regression|in progress|wip)\b", re.IGNORECASE)),
    ("review", re.compile(r"\breview", re.IGNORECASE)),
    ("deployment", re.compile(r"\b(?:deploy|release|infra|ci\b)", re.IGNORECASE)),
)
"""The phase that a label of an open issue tells."""

STATUSES: Final = {
    "queued": RunStatus.QUEUED,
    "requested": RunStatus.QUEUED,
    "waiting": RunStatus.QUEUED,
    "pending": RunStatus.QUEUED,
    "in_progress": RunStatus.RUNNING,
}
"""What the status of a run is here, unless it is completed."""
CONCLUSIONS: Final = {
    "success": RunStatus.SUCCEEDED,
    "neutral": RunStatus.SUCCEEDED,
    "failure": RunStatus.FAILED,
    "timed_out": RunStatus.FAILED,
    "startup_failure": RunStatus.FAILED,
    "cancelled": RunStatus.CANCELLED,
    "skipped": RunStatus.CANCELLED,
    "stale": RunStatus.CANCELLED,
    "action_required": RunStatus.QUEUED,
}
"""What the conclusion of a completed run is here."""

_WRAPPERS: Final = ("workflow_runs", "items")
_PAGE: Final = re.compile(r"(https?://[^/\s]+/[^/\s]+/[^/\s]+)(?:/([a-z]+)(?:/.*)?)?")
_TALKS: Final = ("issues", "pull")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BROKEN: Final = re.compile(r"[\0\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_NOBODY: Final = "ghost"  # as GitHub calls those whose account is gone
_LONGEST: Final = 255
_LONGEST_URL: Final = 1_000


@dataclass(frozen=True, slots=True)
class Remark:
    """A message. ``source`` is the page of the conversation that it belongs to."""

    source: str
    role: str
    author: str
    time: dt.datetime
    content: str


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation: an issue or a pull request of ``repository``, an address."""

    repository: str
    source: str
    title: str
    phase: str
    entered_at: dt.datetime
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A build."""

    repository: str
    url: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """A deployment, known by its tag; not all payloads say of which repository."""

    repository: str | None
    tag: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a repository, as GitHub's API says it."""

    repository: str
    payload: dict[str, Any] = field(hash=False)


Payload: TypeAlias = Talk | Run | Release | About


def unwrapped(value: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the items of a page such as ``{"workflow_runs": [...]}``, or the value itself."""
    for name in _WRAPPERS:
        if isinstance(value.get(name), list):
            yield from value[name]
            return
    yield value


def payload_of(value: object) -> Payload | Remark | str:
    """Return what a payload is, or why it is none that is known.

    >>> payload_of({"tagName": "v1", "publishedAt": "2026-01-01T00:00:00Z"}).tag
    'v1'
    >>> payload_of({"login": "ada", "id": 1})
    'no known payload: it has id, login'
    """
    if not isinstance(value, dict):
        return f"no known payload: it is no object, but {type(value).__name__}"
    for known, read in _READERS:
        if all(any(name in value for name in names) for names in known):
            return read(value)
    return f"no known payload: it has {', '.join(sorted(value)[:10]) or 'nothing'}"


# ---- conversations -----------------------------------------------------------------------


def _talk(value: dict[str, Any]) -> Talk | str:
    page = _page(value)
    created = _moment(value, "created_at", "createdAt")
    kind = _PAGE.fullmatch(page) if page else None
    if page is None or kind is None or kind.group(2) not in _TALKS or created is None:
        return "an issue has html_url (or url) and created_at (or createdAt)"
    is_pull = kind.group(2) == "pull" or "pull_request" in value
    number = value.get("number")
    prefix = f"#{number} " if isinstance(number, int) else ""
    first = Remark(page, _role(value, "author"), _author(value), created, _text(value, "body"))
    others = [
        *_remarks(value.get("comments"), page, "commenter"),
        *_remarks(value.get("reviews"), page, "reviewer"),
    ]
    ended = _moment(value, "merged_at", "mergedAt", "closed_at", "closedAt")
    return Talk(
        repository=repository_of(page) or "",
        source=page[:_LONGEST],
        title=f"{prefix}{_text(value, 'title')}"[:_LONGEST],
        phase=_phase_of_pull(value) if is_pull else _phase_of_issue(value),
        entered_at=ended or created,
        remarks=(first, *sorted(others, key=lambda remark: remark.time)),
    )


def _is_closed(value: Mapping[str, Any]) -> bool:
    return _text(value, "state").lower() in {"closed", "merged"}


def _phase_of_pull(value: Mapping[str, Any]) -> str:
    if _is_closed(value):
        return "done"
    return "implementation" if True in {value.get("draft"), value.get("isDraft")} else "review"


def _phase_of_issue(value: Mapping[str, Any]) -> str:
    if _is_closed(value):
        return "done"
    labels = value.get("labels")
    for label in labels if isinstance(labels, list) else ():
        name = _text(label, "name") if isinstance(label, dict) else str(label)
        for phase, pattern in LABELS:
            if pattern.search(name):
                return phase
    return "requirements"


def _remarks(found: object, page: str, role: str) -> Iterator[Remark]:
    """Yield the comments that an issue brings along; the API says only how many there are."""
    for value in found if isinstance(found, list) else ():
        remark = _remark(value, page, role) if isinstance(value, dict) else ""
        if isinstance(remark, Remark):
            yield remark


def _remark(value: dict[str, Any], page: str | None = None, role: str = "") -> Remark | str:
    source = page or _page(value)
    time = _moment(value, "created_at", "createdAt", "submitted_at", "submittedAt")
    if source is None or time is None:
        return "a comment has html_url and created_at"
    content = _text(value, "body") or _text(value, "state").lower().replace("_", " ")
    told = role or ("reviewer" if "pull_request_url" in value else "commenter")
    return Remark(source[:_LONGEST], _role(value, told), _author(value), time, content)


def _author(value: Mapping[str, Any]) -> str:
    who = value.get("user") or value.get("author")
    login = _text(who, "login") if isinstance(who, dict) else ""
    return login[:_LONGEST] or _NOBODY


def _role(value: Mapping[str, Any], role: str) -> str:
    who = value.get("user") or value.get("author")
    is_bot = isinstance(who, dict) and (who.get("type") == "Bot" or who.get("is_bot") is True)
    return "bot" if is_bot else role


# ---- builds and deployments --------------------------------------------------------------


def _run(value: dict[str, Any]) -> Run | str:
    page = _page(value)
    started = _moment(value, "run_started_at", "startedAt", "created_at", "createdAt")
    if page is None or started is None:
        return "a workflow run has html_url (or url) and created_at (or createdAt)"
    said, conclusion = _text(value, "status").lower(), _text(value, "conclusion").lower()
    is_over = said == "completed"
    status = CONCLUSIONS.get(conclusion) if is_over else STATUSES.get(said)
    if status is None:
        known = ", ".join(CONCLUSIONS if is_over else (*STATUSES, "completed"))
        what = f"conclusion {conclusion!r}" if is_over else f"status {said!r}"
        return f"a workflow run with the {what}; known are {known}"
    ended = _moment(value, "updated_at", "updatedAt") if is_over else None
    values = {
        "status": status,
        "started_at": started,
        "finished_at": None if ended is None else max(started, ended),
        "commit": _text(value, "head_sha", "headSha")[:64] or None,
        "branch": _text(value, "head_branch", "headBranch")[:_LONGEST] or None,
    }
    return Run(repository_of(page) or "", page[:_LONGEST_URL], values)


def _release(value: dict[str, Any]) -> Release | str:
    tag = _text(value, "tag_name", "tagName")
    time = _moment(value, "published_at", "publishedAt", "created_at", "createdAt")
    if not tag or time is None:
        return "a release has tag_name (or tagName) and published_at (or publishedAt)"
    page = _page(value)
    is_draft = True in {value.get("draft"), value.get("isDraft")}
    is_preview = True in {value.get("prerelease"), value.get("isPrerelease")}
    target = _text(value, "target_commitish", "targetCommitish")
    values = {
        "status": RunStatus.QUEUED if is_draft else RunStatus.SUCCEEDED,
        "environment": "preview" if is_preview else "production",
        "started_at": time,
        "finished_at": None if is_draft else time,
        **({"url": page[:_LONGEST_URL]} if page else {}),
        **({"commit": target} if _COMMIT.fullmatch(target) else {}),
    }
    return Release(page and repository_of(page), tag[:_LONGEST], values)


# ---- repositories ------------------------------------------------------------------------


def _about(value: dict[str, Any]) -> About | str:
    page = _page(value)
    repository = page and repository_of(page)
    if repository is None:
        return "a repository has html_url (or url)"
    if "nameWithOwner" not in value:
        name = _text(value, "name") or repository.rsplit("/", 1)[1]
        return About(repository, {**_clean(value), "html_url": repository, "name": name})
    branch, language = value.get("defaultBranchRef"), value.get("primaryLanguage")
    said = {
        "html_url": repository,
        "name": _text(value, "name") or repository.rsplit("/", 1)[1],
        "full_name": value["nameWithOwner"],
        "description": value.get("description"),
        "stargazers_count": value.get("stargazerCount"),
        "forks_count": value.get("forkCount"),
        "default_branch": branch.get("name") if isinstance(branch, dict) else None,
        "language": language.get("name") if isinstance(language, dict) else None,
        "pushed_at": value.get("pushedAt"),
    }
    return About(
        repository, _clean({name: each for name, each in said.items() if each is not None})
    )


def _clean(value: Any) -> Any:
    """Return what a payload holds, without what no database takes."""
    if isinstance(value, dict):
        return {_BROKEN.sub("", name): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return _BROKEN.sub(_REPLACEMENT, value) if isinstance(value, str) else value


_READERS: Final = (
    ((("head_sha", "headSha"), ("status",), ("event", "conclusion", "workflowName")), _run),
    ((("tag_name", "tagName"),), _release),
    ((("issue_url", "pull_request_url"), ("body",), ("user", "author")), _remark),
    ((("full_name", "nameWithOwner"),), _about),
    ((("number",), ("title",), ("state",)), _talk),
)
"""The keys that a kind of payload has, one of each group, and what reads it."""


def _page(value: Mapping[str, Any]) -> str | None:
    """Return the page that a payload is about, without a place in it."""
    for name in ("html_url", "url"):
        found = _text(value, name).partition("#")[0]
        if _PAGE.fullmatch(found) and "/repos/" not in found:
            return found
    return None


def repository_of(page: str) -> str | None:
    """Return the page of the repository that a page belongs to.

    >>> repository_of("https://github.com/ada/engine/issues/7")
    'https://github.com/ada/engine'
    """
    found = _PAGE.fullmatch(page)
    return found.group(1) if found else None


def _text(value: Mapping[str, Any], *names: str) -> str:
    """Return the first text under these names, without what no database takes."""
    found = next((value[name] for name in names if isinstance(value.get(name), str)), "")
    return _BROKEN.sub(_REPLACEMENT, found)


def _moment(value: Mapping[str, Any], *names: str) -> dt.datetime | None:
    """Return the first moment under these names; GitHub writes none as year 1."""
    for name in names:
        try:
            moment = dt.datetime.fromisoformat(_text(value, name))
            if moment.utcoffset() is not None and moment.year > 1:
                return moment.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            continue
    return None
