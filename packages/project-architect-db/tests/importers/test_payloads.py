"""What GitHub says, and what becomes of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from tests.importers.github_payloads import (
    PAGE,
    a_comment,
    a_pull,
    a_release,
    a_repository,
    a_review,
    a_run,
    a_user,
    an_issue,
    gh_issue,
    gh_pull,
    gh_release,
    gh_repository,
    gh_run,
)

from project_architect_db.importers import payloads
from project_architect_db.importers.payloads import (
    About,
    Release,
    Remark,
    Run,
    Talk,
    payload_of,
    unwrapped,
)
from project_architect_db.models.conversation import PHASES
from project_architect_db.models.repository import RunStatus

pytestmark = pytest.mark.unit

CLOSED = "2026-01-09T12:00:00Z"


def at(day: int, hour: int = 12, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 1, day, hour, minute, tzinfo=dt.UTC)


def test_an_issue_is_a_conversation_that_begins_with_its_text() -> None:
    assert payload_of(an_issue()) == Talk(
        repository=PAGE,
        source=f"{PAGE}/issues/1",
        title="#1 Notes on the engine",
        phase="requirements",
        entered_at=at(1),
        remarks=(
            Remark(f"{PAGE}/issues/1", "author", "grace", at(1), "It should weave patterns."),
        ),
    )


@pytest.mark.parametrize(
    ("payload", "phase"),
    [
        (an_issue(), "requirements"),
        (an_issue(labels=[]), "requirements"),
        (an_issue(labels=None), "requirements"),
        (an_issue(labels=[{"name": "good first issue"}, {"name": "Bug"}]), "implementation"),
        (an_issue(labels=["proposal", "bug"]), "project_idea"),
        (an_issue(labels=[{"name": "architecture"}]), "architecture"),
        (an_issue(labels=[{"name": "area: UX"}]), "design"),
        (an_issue(labels=[{"name": "needs review"}]), "review"),
        (an_issue(labels=[{"name": "release"}]), "deployment"),
        (an_issue(state="closed", state_reason="not_planned"), "done"),
        (an_issue(pull_request={"url": "x"}), "review"),
        (a_pull(), "review"),
        (a_pull(draft=True), "implementation"),
        (a_pull(state="closed", merged_at=CLOSED), "done"),
        (a_pull(state="closed"), "done"),
        (gh_issue(), "implementation"),
        (gh_issue(state="CLOSED"), "done"),
        (gh_pull(), "done"),
        (gh_pull(state="OPEN"), "review"),
        (gh_pull(state="OPEN", isDraft=True), "implementation"),
    ],
)
def test_state_and_labels_tell_the_phase(payload: dict[str, Any], phase: str) -> None:
    talk = payload_of(payload)

    assert isinstance(talk, Talk)
    assert talk.phase == phase


def test_the_phases_that_labels_tell_are_known() -> None:
    assert {phase for phase, _ in payloads.LABELS} < {*PHASES}


def test_an_issue_of_the_command_line_brings_comments_and_reviews() -> None:
    issue, pull = payload_of(gh_issue()), payload_of(gh_pull())

    assert isinstance(issue, Talk)
    assert isinstance(pull, Talk)
    assert [(each.role, each.author, each.content) for each in issue.remarks] == [
        ("author", "grace", "It stops."),
        ("commenter", "ada", "Where?"),
    ]
    assert [(each.role, each.time, each.content) for each in pull.remarks] == [
        ("author", at(6), "It stops."),
        ("reviewer", at(7), "changes requested"),
    ]
    assert (issue.entered_at, pull.entered_at) == (at(6), at(8))  # year 1 is not closed


def test_a_comment_without_a_time_is_left_out_of_an_issue() -> None:
    talk = payload_of(gh_issue(comments=["x", {"body": "no time"}]))

    assert isinstance(talk, Talk)
    assert len(talk.remarks) == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (a_comment(), ("/issues/1", "commenter", "ada", "So it shall.")),
        (a_comment(user=None), ("/issues/1", "commenter", "ghost", "So it shall.")),
        (a_comment(user=a_user("ci", "Bot")), ("/issues/1", "bot", "ci", "So it shall.")),
        (a_comment(body=None), ("/issues/1", "commenter", "ada", "")),
        (a_review(), ("/pull/2", "reviewer", "ada", "approved")),
        (a_review(body="Well done."), ("/pull/2", "reviewer", "ada", "Well done.")),
        (a_comment(body="a\0b\ud800c"), ("/issues/1", "commenter", "ada", "a�b�c")),
    ],
)
def test_a_comment_belongs_to_the_page_it_is_on(payload: dict[str, Any], said: Any) -> None:
    remark = payload_of(payload)

    assert isinstance(remark, Remark)
    assert (remark.source, remark.role, remark.author, remark.content) == (
        PAGE + said[0],
        *said[1:],
    )


@pytest.mark.parametrize(
    ("payload", "status", "minutes"),
    [
        (a_run(), RunStatus.SUCCEEDED, 9),
        (a_run(conclusion="timed_out"), RunStatus.FAILED, 9),
        (a_run(conclusion="skipped", updated_at="2026-01-01T00:00:00Z"), "cancelled", 0),
        (a_run(status="in_progress", conclusion=None), RunStatus.RUNNING, None),
        (a_run(status="waiting", conclusion=None), RunStatus.QUEUED, None),
        (a_run(updated_at=None), RunStatus.SUCCEEDED, None),
        (gh_run(), RunStatus.FAILED, 5),
        (gh_run(status="queued", conclusion=""), RunStatus.QUEUED, None),
    ],
)
def test_a_workflow_run_is_a_build(
    payload: dict[str, Any], status: RunStatus, minutes: int | None
) -> None:
    run = payload_of(payload)

    assert isinstance(run, Run)
    values = run.values
    assert (run.repository, run.url) == (PAGE, payload.get("html_url", payload["url"]))
    assert values["status"] == status
    assert values["commit"] == payload.get("head_sha", payload.get("headSha"))
    assert values["branch"] == payload.get("head_branch", payload.get("headBranch"))
    ended = values["finished_at"]
    seconds = None if ended is None else (ended - values["started_at"]).total_seconds()
    assert seconds == (None if minutes is None else minutes * 60)


def test_a_release_is_a_deployment() -> None:
    release = payload_of(a_release(target_commitish="f" * 40))
    draft = payload_of(a_release(draft=True, published_at=None, prerelease=True))
    listed = payload_of(gh_release())

    assert isinstance(release, Release)
    assert isinstance(draft, Release)
    assert isinstance(listed, Release)
    assert (release.repository, release.tag) == (PAGE, "v1.0.0")
    assert release.values == {
        "status": RunStatus.SUCCEEDED,
        "environment": "production",
        "started_at": dt.datetime(2026, 2, 1, 13, tzinfo=dt.UTC),
        "finished_at": dt.datetime(2026, 2, 1, 13, tzinfo=dt.UTC),
        "url": f"{PAGE}/releases/tag/v1.0.0",
        "commit": "f" * 40,
    }
    assert (draft.values["status"], draft.values["environment"]) == ("queued", "preview")
    assert draft.values["finished_at"] is None
    assert (listed.repository, listed.tag) == (None, "v1.1.0")
    assert "url" not in listed.values


def test_a_repository_is_said_as_the_api_says_it() -> None:
    told = payload_of(a_repository(topics=["a\0"], name=None))
    viewed = payload_of(gh_repository(description=None, primaryLanguage=None))

    assert isinstance(told, About)
    assert isinstance(viewed, About)
    assert told.repository == viewed.repository == PAGE
    assert (told.payload["name"], told.payload["topics"]) == ("engine", ["a�"])
    assert viewed.payload == {
        "html_url": PAGE,
        "name": "engine",
        "full_name": "ada/engine",
        "stargazers_count": 81,
        "forks_count": 10,
        "default_branch": "main",
        "pushed_at": "2026-02-04T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ([], "no known payload: it is no object, but list"),
        ({}, "no known payload: it has nothing"),
        ({"b": 1, "a": 2}, "no known payload: it has a, b"),
        (an_issue(html_url=None), "an issue has html_url"),
        (an_issue(html_url=f"{PAGE}/milestone/1"), "an issue has html_url"),
        (an_issue(created_at="yesterday"), "an issue has html_url"),
        (an_issue(created_at="2026-01-01T12:00:00"), "an issue has html_url"),
        (an_issue(created_at="0001-01-01T00:00:00+23:00"), "an issue has html_url"),
        (an_issue(created_at="9999-12-31T23:00:00-23:00"), "an issue has html_url"),
        (a_comment(created_at=7), "a comment has html_url"),
        (a_run(html_url=""), "a workflow run has html_url"),
        (a_run(conclusion="odd"), "a workflow run with the conclusion 'odd'; known are suc"),
        (a_run(status="odd"), "a workflow run with the status 'odd'; known are queued, "),
        (a_release(tag_name=7), "a release has tag_name"),
        (a_release(published_at=None, created_at=None), "a release has tag_name"),
        (a_repository(html_url="engine"), "a repository has html_url"),
    ],
)
def test_what_is_not_known_says_why(payload: Any, reason: str) -> None:
    assert str(payload_of(payload)).startswith(reason)


def test_a_page_of_results_is_its_items() -> None:
    assert list(unwrapped({"total_count": 1, "workflow_runs": [{"a": 1}, 2]})) == [{"a": 1}, 2]
    assert list(unwrapped({"items": []})) == []
    assert list(unwrapped({"items": 3})) == [{"items": 3}]
