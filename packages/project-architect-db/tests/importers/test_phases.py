from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from project_architect_db.importers import (
    CloneReading,
    Commit,
    Conversation,
    FileChange,
    Person,
    Phase,
)
from project_architect_db.importers.phases import (
    PATHS,
    PHASES,
    PIECE,
    PREFIXES,
    WORDS,
    conversations,
    message_of,
    phase_of,
)

pytestmark = pytest.mark.unit

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
ADA = Person("Ada", "ada@example.org")


def commit(
    name: str,
    subject: str = "change",
    *,
    parents: Sequence[str] = ("parent",),
    paths: Sequence[str] = (),
    day: float = 0,
    body: str = "",
) -> Commit:
    when = MONDAY + timedelta(days=day)
    files = tuple(FileChange("M", path.encode(), "1" * 40, "100644") for path in paths)
    return Commit(name, tuple(parents), ADA, when, ADA, when, subject, body, files)


@pytest.mark.parametrize(
    ("subject", "phase"),
    [
        ("Initial import of the sources", "project_idea"),
        ("Proposal for a new storage", "project_idea"),
        ("Write down the requirements", "requirements"),
        ("Add user stories of the shop", "requirements"),
        ("pin requirements.txt", "implementation"),
        ("Draw the architecture", "architecture"),
        ("docs: ADR about the cache", "architecture"),
        ("Redo the design of the page", "design"),
        ("Add a wireframe", "design"),
        ("Address review comments", "review"),
        ('Revert "feat: a thing"', "review"),
        ("Release 1.2", "deployment"),
        ("v1.2.3", "deployment"),
        ("Bump version to 2", "deployment"),
        ("Deploy to staging", "deployment"),
        ("Declare end of life", "done"),
        ("Archive this repository", "done"),
        ("feat: show pages", "implementation"),
        ("fix(core)!: show pages", "implementation"),
        ("FIX: show pages", "implementation"),
        ("ci: run on Windows", "deployment"),
        ("build(deps): newer click", "deployment"),
        ("spec: what a page shows", "requirements"),
        ("review: names", "review"),
        ("core: show pages", "implementation"),
        ("chore: tidy", "implementation"),
        ("", "implementation"),
    ],
)
def test_the_subject_tells_the_phase(subject: str, phase: Phase) -> None:
    assert phase_of(commit("c", subject)) == phase


@pytest.mark.parametrize(
    ("paths", "phase"),
    [
        (["docs/requirements/login.md"], "requirements"),
        (["docs/adr/0001.md"], "architecture"),
        (["ARCHITECTURE.md"], "architecture"),
        (["design/page.fig"], "design"),
        (["api/openapi.yaml"], "design"),
        ([".github/workflows/ci.yml"], "deployment"),
        (["Dockerfile", "compose.yaml", "infra/main.tf"], "deployment"),
        ([".github/CODEOWNERS"], "review"),
        (["Dockerfile", "a.py"], "implementation"),
        (["Dockerfile", "compose.yaml", "deploy/a.yaml", "a.py"], "deployment"),
        (["a.py"], "implementation"),
        ([], "implementation"),
    ],
)
def test_paths_tell_the_phase_where_the_subject_does_not(paths: list[str], phase: Phase) -> None:
    assert phase_of(commit("c", paths=paths)) == phase


def test_the_first_commit_is_the_idea() -> None:
    assert phase_of(commit("c", "feat: all of it", parents=())) == "project_idea"


def test_a_merge_is_a_review() -> None:
    merge = commit("c", "feat: a page (#7)", parents=("a", "b"))

    assert phase_of(merge) == "review"
    assert message_of(merge).role == "reviewer"


def test_the_tables_name_known_phases_only() -> None:
    named = {phase for table in (WORDS, PATHS) for phase, _ in table} | set(PREFIXES.values())

    assert named <= set(PHASES)


def test_a_message_is_what_the_commit_says() -> None:
    message = message_of(commit("c", "feat: a page", body="Because."))

    assert (message.commit, message.name, message.email) == ("c", "Ada", "ada@example.org")
    assert (message.content, message.role) == ("feat: a page\n\nBecause.", "author")
    assert (message.said_at, message.phase) == (MONDAY, "implementation")


def said(found: Sequence[Conversation]) -> list[tuple[str, str, list[str]]]:
    return [(each.key, each.title, [m.commit for m in each.messages]) for each in found]


def test_commits_of_the_main_line_are_one_conversation_a_week() -> None:
    commits = [commit("a"), commit("b", day=6.9), commit("c", day=7), commit("d", day=8)]

    found = list(conversations(commits, set("abcd")))

    assert said(found) == [
        ("week 2026-W10", "Week 2026-W10", ["a", "b"]),
        ("week 2026-W11", "Week 2026-W11", ["c", "d"]),
    ]


def test_a_merge_closes_the_conversation_of_what_it_brought() -> None:
    commits = [
        commit("a"),
        commit("x", "feat: page", parents=("a",)),
        commit("b"),
        commit("z", parents=("x",)),
        commit("y", "feat: other", parents=("x", "z")),
        commit("m", "Merge branch 'page'", parents=("b", "y"), body="A page\n\nAt last."),
    ]

    found = list(conversations(commits, {"a", "b", "m"}))

    assert said(found) == [
        ("merge m", "A page", ["x", "z", "y", "m"]),
        ("week 2026-W10", "Week 2026-W10", ["a", "b"]),
    ]


@pytest.mark.parametrize(
    ("subject", "body", "title"),
    [
        ("Merge branch 'x'", "", "Merge branch 'x'"),
        ("feat: a page (#7)", "More of it.", "feat: a page (#7)"),
        ("Merge pull request #7 from a/b", "A page", "A page"),
        ("", "", "Merge m"),
    ],
)
def test_a_merge_is_titled_by_what_it_is_about(subject: str, body: str, title: str) -> None:
    merge = commit("m", subject, parents=("a", "b"), body=body)

    (found,) = conversations([merge], {"m"})

    assert found.title == title


def test_what_only_tags_lead_to_is_a_conversation_of_its_own() -> None:
    commits = [commit("a"), commit("x"), commit("y", day=7), commit("z", day=8)]

    found = list(conversations(commits, {"a"}))

    assert said(found) == [
        ("week 2026-W10", "Week 2026-W10", ["a"]),
        ("side 2026-W10", "Week 2026-W10, beside the main line", ["x"]),
        ("side 2026-W11", "Week 2026-W11, beside the main line", ["y", "z"]),
    ]


@pytest.mark.parametrize(
    ("subjects", "phase"),
    [
        (["feat: a", "feat: b", "ci: c"], "implementation"),
        (["feat: a", "ci: b"], "deployment"),
    ],
)
def test_a_conversation_is_in_the_phase_of_most_of_it(subjects: list[str], phase: Phase) -> None:
    commits = [commit(subject, subject) for subject in subjects]

    (found,) = conversations(commits, set(subjects))

    assert found.phase == phase


def test_a_long_conversation_comes_in_pieces() -> None:
    names = [str(number) for number in range(2 * PIECE + 1)]
    merge = commit("m", parents=("a", names[-1]))
    chain = [
        commit(name, parents=(before,)) for before, name in zip(["a", *names], names, strict=False)
    ]

    weekly = list(conversations([commit(name) for name in names], set(names)))
    merged = list(conversations([*chain, merge], {"m"}))

    assert [len(each.messages) for each in weekly] == [PIECE, PIECE, 1]
    assert [len(each.messages) for each in merged] == [PIECE, PIECE, 2]
    assert len({each.key for each in weekly}) == len({each.key for each in merged}) == 1


def test_each_commit_of_a_clone_is_in_one_conversation(reading: CloneReading) -> None:
    messages = [m.commit for each in reading.conversations() for m in each.messages]

    assert sorted(messages) == sorted(each.id for each in reading.commits())
