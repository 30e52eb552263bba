import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.importers.make_clone import git, lose, make_clone

from project_architect_db.importers import (
    CloneDamaged,
    GitMissing,
    HistoryRewritten,
    NotARepository,
    PathMissing,
    ReadingInterrupted,
    read_clone,
)
from project_architect_db.importers.plumbing import Git, Process, open_git

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Git]:
    """Return a function that makes a git of its own, from a script."""

    def make(script: str) -> Git:
        file = tmp_path / "fake"
        file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        file.chmod(0o700)
        return Git(tmp_path, str(file), 0.4)

    return make


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathMissing, match="gone: no such folder") as caught:
        open_git(tmp_path / "gone")

    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.path == tmp_path / "gone"


def test_a_file_is_no_clone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PathMissing, match="it is a file: give the folder of a clone"):
        open_git(tmp_path / "file")


def test_a_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match=r"give the folder that holds \.git"):
        open_git(tmp_path)


@pytest.mark.parametrize("name", ["outer", "out:er"])
def test_a_damaged_clone_inside_of_another_is_not_taken_for_the_outer_one(
    tmp_path: Path, name: str
) -> None:
    # A colon ends an entry in the list by which git is kept from looking further up.
    inner = make_clone(tmp_path / name, commits=6) / "docs"

    with pytest.raises(NotARepository):
        open_git(inner)


def test_a_machine_without_git_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(GitMissing, match="git is not on the PATH: install it"):
        open_git(tmp_path)


def test_a_git_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(GitMissing, match="cannot be run"):
        Git(tmp_path, str(tmp_path / "no-git")).run("version")


def test_a_configuration_that_git_cannot_read_is_damage(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    (clone / ".git" / "config").write_text("[core\n", encoding="utf-8")

    with pytest.raises(CloneDamaged, match=r"bad config line 1.*'git fsck'"):
        open_git(clone)


def test_a_clone_of_another_owner_is_read(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    for path in (clone, clone / ".git"):
        os.chown(path, 12345, 12345)

    assert open_git(clone).run("rev-parse", "--is-bare-repository") == b"false\n"


def test_what_the_environment_says_to_git_does_not_count(
    new_clone: NewClone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = new_clone({"a.md": "a"})
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))

    assert open_git(clone).line("rev-list", "--count", "HEAD") == "1"


@pytest.mark.slow
def test_a_git_that_says_nothing_is_ended(program: Callable[[str], Git]) -> None:
    stuck = program("exec sleep 60")
    start = time.monotonic()

    with pytest.raises(CloneDamaged, match=r"git said nothing for 0\.4 seconds"):
        stuck.run("log")

    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_a_slow_reader_of_ours_is_no_fault_of_the_clone(program: Callable[[str], Git]) -> None:
    stream = program("echo one; sleep 0.1; echo two").stream("log")

    first = next(stream)
    time.sleep(0.8)

    assert first + b"".join(stream) == b"one\ntwo\n"


def test_a_git_that_is_ended_from_outside_is_an_interruption(
    program: Callable[[str], Git],
) -> None:
    with pytest.raises(ReadingInterrupted, match="ended by signal 15") as caught:
        program("kill -TERM $$").run("log")

    assert isinstance(caught.value, InterruptedError)


@pytest.mark.parametrize("ask", [Git.line, Git.agrees])
def test_an_interruption_is_no_answer(
    program: Callable[[str], Git], ask: Callable[..., object]
) -> None:
    with pytest.raises(ReadingInterrupted):
        ask(program("kill -TERM $$"), "config")


def test_a_git_that_gives_no_reason_is_damage_all_the_same(program: Callable[[str], Git]) -> None:
    with pytest.raises(CloneDamaged, match="git gave no reason"):
        program("exit 3").run("log")


def test_what_git_warns_about_is_kept(program: Callable[[str], Git]) -> None:
    warned = program("echo 'warning: ignoring broken ref' >&2")

    warned.run("log")

    assert warned.said == ["warning: ignoring broken ref"]


def test_what_a_git_does_not_read_is_no_error(program: Callable[[str], Git]) -> None:
    given = b"x" * 1_000_000

    assert b"".join(program("exec <&-; echo done").stream("log", given=given)) == b"done\n"


@pytest.mark.parametrize("ask", [Process.read_line, lambda process: process.read(10)])
def test_an_answer_that_is_cut_short_is_damage(
    program: Callable[[str], Git], ask: Callable[[Process], bytes]
) -> None:
    process = Process(program("printf short"), ("cat-file",))

    with pytest.raises(CloneDamaged):
        ask(process)

    process.close()


def test_a_stream_that_is_given_up_ends_git(program: Callable[[str], Git]) -> None:
    stream = program("echo $$; exec sleep 60").stream("log")
    number = int(next(stream))

    stream.close()

    with pytest.raises(ProcessLookupError):
        os.kill(number, signal.SIGCONT)


def test_errors_survive_a_process_border(tmp_path: Path) -> None:
    error = HistoryRewritten(tmp_path, "a" * 40, "b" * 40)

    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (copied.known, copied.head, str(copied)) == (error.known, error.head, str(error))
    assert "import it anew" in str(error)


EVIL = """\
[core]
    fsmonitor = touch {mark}; false
    pager = touch {mark}
    sshCommand = touch {mark}
    alternateRefsCommand = touch {mark}
    hooksPath = {folder}
[diff]
    external = {program}
[diff "evil"]
    command = {program}
    textconv = {program}
[filter "evil"]
    clean = {program}
    smudge = {program}
    process = {program}
    required = true
[gpg]
    program = {program}
[log]
    showSignature = true
[credential]
    helper = !touch {mark}
[alias]
    log = !touch {mark}
    ls-tree = !touch {mark}
    cat-file = !touch {mark}
[remote "origin"]
    url = {folder}
    uploadpack = {program}
    promisor = true
    partialclonefilter = blob:none
[extensions]
    partialClone = origin
"""


def test_nothing_that_the_configuration_of_a_clone_names_is_run(
    new_clone: NewClone, tmp_path: Path
) -> None:
    mark, program = tmp_path / "mark", tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n", encoding="utf-8")
    program.chmod(0o700)
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        shutil.copy(program, tmp_path / hook)
    clone = new_clone({"a.md": "a\n", ".gitattributes": "*.md diff=evil filter=evil\n"})
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "two")
    signed = git(clone, "cat-file", "commit", "HEAD").replace(
        b"\n\n", b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n =x\n -----END PGP SIGNATURE-----\n\n"
    )
    head = git(clone, "hash-object", "-t", "commit", "-w", "--stdin", given=signed).decode()
    git(clone, "update-ref", "HEAD", head.strip())
    lose(clone, "HEAD:a.md")
    with (clone / ".git" / "config").open("a", encoding="utf-8") as config:
        config.write(EVIL.format(mark=mark, program=program, folder=tmp_path))

    reading = read_clone(clone)
    commits = len(list(reading.commits()))
    documents = list(reading.documents())

    assert (commits, documents) == (2, [])
    assert not mark.exists()
    assert {notice.kind for notice in reading.notices} >= {"damaged", "partial"}


def test_the_configuration_of_that_test_would_run_something(
    new_clone: NewClone, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    clone = new_clone({"a.md": "a\n"})
    git(clone, "config", "core.fsmonitor", f"touch {mark}; false")

    subprocess.run(["git", "status"], cwd=clone, capture_output=True, check=False)

    assert mark.exists()
