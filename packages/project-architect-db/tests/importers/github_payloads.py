"""Payloads as GitHub's API and its command line write them, made by hand."""

from __future__ import annotations

from typing import Any

PAGE = "https://github.com/ada/engine"
API = "https://api.github.com/repos/ada/engine"


def a_user(login: str, kind: str = "User") -> dict[str, Any]:
    """Return an account, as the API writes it."""
    return {
        "login": login,
        "id": len(login),
        "type": kind,
        "html_url": f"https://github.com/{login}",
    }


def an_issue(number: int = 1, **values: Any) -> dict[str, Any]:
    """Return an issue of the API."""
    return {
        "url": f"{API}/issues/{number}",
        "repository_url": API,
        "comments_url": f"{API}/issues/{number}/comments",
        "html_url": f"{PAGE}/issues/{number}",
        "id": 1_000 + number,
        "node_id": "I_kwDO",
        "number": number,
        "title": "Notes on the engine",
        "user": a_user("grace"),
        "labels": [{"id": 1, "name": "enhancement", "color": "a2eeef", "default": True}],
        "state": "open",
        "state_reason": None,
        "locked": False,
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-02T12:00:00Z",
        "closed_at": None,
        "author_association": "CONTRIBUTOR",
        "body": "It should weave patterns.",
        "reactions": {"url": f"{API}/issues/{number}/reactions", "total_count": 0},
        **values,
    }


def a_pull(number: int = 2, **values: Any) -> dict[str, Any]:
    """Return a pull request of the API."""
    base = an_issue(number)
    return {
        **{name: each for name, each in base.items() if name not in {"comments", "repository_url"}},
        "url": f"{API}/pulls/{number}",
        "html_url": f"{PAGE}/pull/{number}",
        "title": "Weave patterns",
        "draft": False,
        "merged_at": None,
        "merge_commit_sha": "b" * 40,
        "head": {"label": "grace:weave", "ref": "weave", "sha": "c" * 40},
        "base": {"label": "ada:main", "ref": "main", "sha": "d" * 40},
        **values,
    }


def a_comment(number: int = 1, **values: Any) -> dict[str, Any]:
    """Return a comment on an issue, of the API."""
    return {
        "url": f"{API}/issues/comments/77",
        "html_url": f"{PAGE}/issues/{number}#issuecomment-77",
        "issue_url": f"{API}/issues/{number}",
        "id": 77,
        "user": a_user("ada"),
        "created_at": "2026-01-03T12:00:00Z",
        "updated_at": "2026-01-03T12:00:00Z",
        "author_association": "OWNER",
        "body": "So it shall.",
        **values,
    }


def a_review(number: int = 2, **values: Any) -> dict[str, Any]:
    """Return a review of a pull request, of the API."""
    return {
        "id": 80,
        "user": a_user("ada"),
        "body": "",
        "state": "APPROVED",
        "html_url": f"{PAGE}/pull/{number}#pullrequestreview-80",
        "pull_request_url": f"{API}/pulls/{number}",
        "submitted_at": "2026-01-04T12:00:00Z",
        "commit_id": "c" * 40,
        **values,
    }


def a_run(number: int = 1, **values: Any) -> dict[str, Any]:
    """Return a workflow run of the API."""
    return {
        "id": 30_433_642 + number,
        "name": "Build",
        "node_id": "WFR_",
        "head_branch": "main",
        "head_sha": "a" * 40,
        "path": ".github/workflows/build.yml@main",
        "run_number": number,
        "run_attempt": 1,
        "event": "push",
        "display_title": "Weave",
        "status": "completed",
        "conclusion": "success",
        "workflow_id": 159_038,
        "url": f"{API}/actions/runs/{30_433_642 + number}",
        "html_url": f"{PAGE}/actions/runs/{30_433_642 + number}",
        "created_at": "2026-01-05T12:00:00Z",
        "updated_at": "2026-01-05T12:10:00Z",
        "run_started_at": "2026-01-05T12:01:00Z",
        "actor": a_user("ada"),
        **values,
    }


def a_release(tag: str = "v1.0.0", **values: Any) -> dict[str, Any]:
    """Return a release of the API."""
    return {
        "url": f"{API}/releases/1",
        "html_url": f"{PAGE}/releases/tag/{tag}",
        "id": 1,
        "tag_name": tag,
        "target_commitish": "main",
        "name": tag,
        "body": "Description of the release",
        "draft": False,
        "prerelease": False,
        "created_at": "2026-02-01T12:00:00Z",
        "published_at": "2026-02-01T13:00:00Z",
        "author": a_user("ada"),
        "assets": [],
        **values,
    }


def a_repository(**values: Any) -> dict[str, Any]:
    """Return a repository of the API."""
    return {
        "id": 1_296_269,
        "name": "engine",
        "full_name": "ada/engine",
        "owner": a_user("ada"),
        "private": False,
        "html_url": PAGE,
        "description": "An engine that weaves algebraic patterns",
        "fork": False,
        "url": API,
        "homepage": "https://engine.example",
        "language": "Python",
        "forks_count": 9,
        "stargazers_count": 80,
        "size": 108,
        "default_branch": "main",
        "open_issues_count": 2,
        "topics": ["looms"],
        "visibility": "public",
        "pushed_at": "2026-02-02T12:00:00Z",
        "license": {"key": "mit", "name": "MIT License"},
        **values,
    }


def gh_issue(number: int = 5, **values: Any) -> dict[str, Any]:
    """Return an issue of ``gh issue list --json``."""
    return {
        "author": {"id": "MDQ6", "is_bot": False, "login": "grace", "name": "Grace"},
        "body": "It stops.",
        "closedAt": "0001-01-01T00:00:00Z",
        "comments": [
            {
                "id": "IC_1",
                "author": {"login": "ada"},
                "authorAssociation": "OWNER",
                "body": "Where?",
                "createdAt": "2026-01-06T13:00:00Z",
                "url": f"{PAGE}/issues/{number}#issuecomment-1",
            }
        ],
        "createdAt": "2026-01-06T12:00:00Z",
        "labels": [{"id": "LA_1", "name": "bug", "description": "", "color": "d73a4a"}],
        "number": number,
        "state": "OPEN",
        "title": "Crash",
        "updatedAt": "2026-01-06T13:00:00Z",
        "url": f"{PAGE}/issues/{number}",
        **values,
    }


def gh_pull(number: int = 6, **values: Any) -> dict[str, Any]:
    """Return a pull request of ``gh pr list --json``."""
    return {
        **gh_issue(number, comments=[], labels=[]),
        "closedAt": "2026-01-08T12:00:00Z",
        "isDraft": False,
        "mergedAt": "2026-01-08T12:00:00Z",
        "headRefName": "fix",
        "reviews": [
            {
                "id": "PRR_1",
                "author": {"login": "ada"},
                "authorAssociation": "OWNER",
                "body": "",
                "submittedAt": "2026-01-07T12:00:00Z",
                "state": "CHANGES_REQUESTED",
                "commit": {"oid": "c" * 40},
            }
        ],
        "state": "MERGED",
        "title": "Fix the crash",
        "url": f"{PAGE}/pull/{number}",
        **values,
    }


def gh_run(number: int = 9, **values: Any) -> dict[str, Any]:
    """Return a workflow run of ``gh run list --json``."""
    return {
        "attempt": 1,
        "conclusion": "failure",
        "createdAt": "2026-01-09T12:00:00Z",
        "databaseId": number,
        "displayTitle": "Fix the crash",
        "event": "pull_request",
        "headBranch": "fix",
        "headSha": "e" * 40,
        "name": "Build",
        "number": number,
        "startedAt": "2026-01-09T12:00:00Z",
        "status": "completed",
        "updatedAt": "2026-01-09T12:05:00Z",
        "url": f"{PAGE}/actions/runs/{number}",
        "workflowDatabaseId": 159_038,
        "workflowName": "Build",
        **values,
    }


def gh_release(tag: str = "v1.1.0", **values: Any) -> dict[str, Any]:
    """Return a release of ``gh release list --json``, which does not say its page."""
    return {
        "createdAt": "2026-02-03T12:00:00Z",
        "isDraft": False,
        "isLatest": True,
        "isPrerelease": False,
        "name": tag,
        "publishedAt": "2026-02-03T13:00:00Z",
        "tagName": tag,
        **values,
    }


def gh_repository(**values: Any) -> dict[str, Any]:
    """Return a repository of ``gh repo view --json``."""
    return {
        "nameWithOwner": "ada/engine",
        "name": "engine",
        "description": "An engine that weaves",
        "url": PAGE,
        "stargazerCount": 81,
        "forkCount": 10,
        "defaultBranchRef": {"name": "main"},
        "primaryLanguage": {"name": "Python"},
        "pushedAt": "2026-02-04T12:00:00Z",
        **values,
    }
