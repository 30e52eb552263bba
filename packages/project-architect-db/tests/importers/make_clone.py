"""Make a git repository with a long history, the same one each time.

``python make_clone.py FOLDER --commits 15000`` writes it through ``git fast-import``. It
has several authors (one of them under two addresses, joined by ``.mailmap``), branches
that are merged (some with a conflict that somebody resolved, some left out altogether),
renames, binary files, names and messages in odd encodings, a symbolic link, a submodule,
a huge document, releases, and a tag beside the main line.
"""

import argparse
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

START = 1_577_836_800  # 2020-01-01
HUGE = 1_200_000
ODD_NAME = b"docs/caf\xe9.md"
AUTHORS: Sequence[tuple[bytes, bytes]] = (
    (b"Ada Example", b"ada@example.org"),
    (b"Ada E.", b"ada@home.example"),
    (b"Grace Example", b"Grace@example.org"),
    (b"Bj\xf6rn", b"bjoern@example.org"),  # Latin-1, and not said so
    ("Zoë Ünsal".encode(), b"zoe@example.org"),
    (b"release-bot[bot]", b"bot@example.org"),
)
MAILMAP = b"Ada Example <ada@example.org> <ada@home.example>\n"
SUBJECTS = (
    b"feat: page %d",
    b"fix(core): case %d",
    b"docs: chapter %d",
    b"Describe requirement %d",
    b"design: screen %d",
    b"ci: step %d",
    b"change %d",
)
PYPROJECT = b"""[project]
name = "made-clone"
description = "A made project."
dependencies = ["fastapi>=0.1", "asyncpg"]

[project.scripts]
made = "made:main"
"""
COMPOSE = b"services:\n  web:\n    build: .\n  db:\n    image: postgres:16\n"


def git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Return what git prints, on a machine without any configuration."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}
    people = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))
    }
    finished = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env={**own, **plain, **people},
        input=given,
        capture_output=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(finished.stderr.decode(errors="replace"))
    return finished.stdout


def make_clone(folder: Path, *, commits: int = 120, bare: bool = False) -> Path:
    """Make the repository with so many commits, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--template=", *(["--bare"] if bare else []), "-b", "main")
    git(folder, "fast-import", "--quiet", given=b"".join(History(commits).stream()))
    if not bare:
        git(folder, "reset", "--hard", "--quiet")
    return folder


def commit_files(folder: Path, files: dict[str, bytes | str], message: str) -> None:
    """Write files into a clone, and commit them with all else that changed there."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)


def lose(folder: Path, name: str) -> None:
    """Remove an object (``HEAD:docs/a.md``) of a clone with loose objects."""
    lost = git(folder, "rev-parse", name).decode().strip()
    (folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()


def partial_clone(source: Path, folder: Path) -> Path:
    """Return a clone that has fetched the history, and no content of any file."""
    git(source, "config", "uploadpack.allowFilter", "true")
    options = ("--quiet", "--filter=blob:none", "--no-checkout")
    git(source, "clone", *options, source.as_uri(), str(folder))
    return folder


class History:
    """Writes the commits one by one as fast-import reads them."""

    def __init__(self, commits: int) -> None:
        self.total = commits
        self.count = 0
        self.random = Random(20_200_101)
        self.names = {f"src/m{number}.py": b"" for number in range(40)}
        self.names |= {f"docs/p{number}.md": b"" for number in range(20)}

    def stream(self) -> Iterator[bytes]:
        """Yield the whole input of fast-import."""
        yield self.commit("main", self.first_files(), b"Initial commit")
        rounds = 0
        while self.count + 5 <= self.total:
            rounds += 1
            yield from self.branch_and_merge(rounds)
            yield self.unusual(rounds)
            if rounds % 20 == 0:
                yield self.tag(f"v{rounds // 20}.0")
        while self.count + 1 < self.total:
            yield self.commit("main", self.edits("docs"), self.subject())
        yield self.commit("side", self.edits("src"), b"fix: only on a tag", parent="main")
        yield b"tag side-1\nfrom refs/heads/side\ntagger Ada <ada@example.org> %d +0000\n" % (
            START + self.total * 3600
        )
        yield data(b"Side release\n")
        yield b"reset refs/heads/side\nfrom 0000000000000000000000000000000000000000\n\n"

    def branch_and_merge(self, rounds: int) -> Iterator[bytes]:
        """Two commits on a branch, one on the main line, and the merge: four commits."""
        kind = ("plain", "conflict", "left out")[rounds % 3]
        shared = b"M 100644 inline docs/shared.md\n"
        topic = [self.edits("src"), self.edits("src")]
        main = [self.edits("docs")]
        if kind == "conflict":
            topic[1] += shared + data(b"theirs %d\n" % rounds)
            main[0] += shared + data(b"ours %d\n" % rounds)
        for number, edits in enumerate(topic):
            parent = "main" if number == 0 else ""
            yield self.commit("topic", edits, self.subject(), parent=parent)
        yield self.commit("main", main[0], self.subject())
        edits = b"" if kind == "left out" else topic[0] + topic[1]
        if kind == "conflict":
            edits += shared + data(b"both %d\n" % rounds)
        message = b"Merge pull request #%d from ada/topic\n\nTopic %d\n" % (rounds, rounds)
        yield self.commit("main", edits, message, merged="topic")

    def unusual(self, rounds: int) -> bytes:
        """One commit on the main line that does something unusual."""
        turn = rounds % 6
        if turn == 0:
            name = f"docs/p{rounds % 20}.md"
            moved = name.replace("docs/p", f"docs/r{rounds}-") if name in self.names else name
            if moved != name:
                self.names[moved] = self.names.pop(name) + b"moved\n"
                change = f"R {name} {moved}\nM 100644 inline {moved}\n".encode()
                change += data(self.names[moved])
                return self.commit("main", change, b"docs: rename %d" % rounds)
        if turn == 1:
            binary = bytes(self.random.randrange(256) for _ in range(64)) + b"\0"
            change = b"M 100644 inline assets/logo.png\n" + data(binary)
            return self.commit("main", change, b"Add picture %d" % rounds)
        if turn == 2:
            change = b'M 100644 inline "docs/caf\\351.md"\n' + data(b"caf\xe9 %d\n" % rounds)
            return self.commit("main", change, b"docs: caf\xe9 %d" % rounds, encoding="ISO-8859-1")
        if turn == 3:
            change = b"M 100644 inline docs/broken.txt\n" + data(b"\0\1%d" % rounds)
            return self.commit("main", change, b"broken \xff\xfe %d" % rounds)
        return self.commit("main", self.edits("src") + self.edits("docs"), self.subject())

    def first_files(self) -> bytes:
        """The files of the first commit."""
        parts = [
            (b".mailmap", MAILMAP),
            (b"README.md", b"# Made\n\nA clone that was made.\n"),
            (b"pyproject.toml", PYPROJECT),
            (b"compose.yaml", COMPOSE),
            (b"docs/huge.md", b"huge\n" * (HUGE // 5)),
            (b"docs/shared.md", b"shared\n"),
        ]
        for name in self.names:
            self.names[name] = b"".join(b"line %d of %s\n" % (n, name.encode()) for n in range(20))
            parts.append((name.encode(), self.names[name]))
        written = b"".join(b"M 100644 inline " + name + b"\n" + data(text) for name, text in parts)
        linked = b"M 120000 inline docs/latest.md\n" + data(b"shared.md")
        return written + linked + b"M 160000 %s vendored\n" % (b"1" * 40)

    def edits(self, folder: str) -> bytes:
        """One or two files of a folder with one line changed, and sometimes one more."""
        names = sorted(name for name in self.names if name.startswith(folder))
        written = b""
        for name in self.random.sample(names, self.random.randint(1, 2)):
            lines = self.names[name].split(b"\n")
            lines[self.random.randrange(len(lines) - 1)] = b"edit %d" % self.count
            if self.random.random() < 0.2:
                lines.insert(0, b"more %d" % self.count)
            self.names[name] = b"\n".join(lines)
            written += b"M 100644 inline %s\n" % name.encode() + data(self.names[name])
        return written

    def subject(self) -> bytes:
        """Return a message, in one of several habits."""
        return self.random.choice(SUBJECTS) % self.count + b"\n\nWhy it is so.\n"

    def commit(
        self,
        branch: str,
        changes: bytes,
        message: bytes,
        *,
        parent: str = "",
        merged: str = "",
        encoding: str = "",
    ) -> bytes:
        """Return one commit; ``parent`` starts the branch anew, ``merged`` is merged in."""
        name, email = self.random.choice(AUTHORS)
        self.count += 1
        time = START + self.count * 3600
        lines = [
            b"commit refs/heads/%s" % branch.encode(),
            b"author %s <%s> %d +0530" % (name, email, time - 60),
            b"committer %s <%s> %d -0700" % (name, email, time),
        ]
        if encoding:
            lines.append(b"encoding " + encoding.encode())
        head = b"\n".join(lines) + b"\n" + data(message)
        if parent:
            head = (
                b"reset refs/heads/%s\nfrom refs/heads/%s\n\n"
                % (
                    branch.encode(),
                    parent.encode(),
                )
                + head
            )
        if merged:
            head += b"merge refs/heads/%s\n" % merged.encode()
        return head + changes + b"\n"

    def tag(self, name: str) -> bytes:
        """Return a release of the main line as it is."""
        tagger = b"tagger Ada <ada@example.org> %d +0000\n" % (START + self.count * 3600)
        return b"tag %s\nfrom refs/heads/main\n" % name.encode() + tagger + data(b"Release\n")


def data(content: bytes) -> bytes:
    """Return a content as fast-import reads it."""
    return b"data %d\n" % len(content) + content + b"\n"


def main() -> None:
    """Make a repository where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commits", type=int, default=15_000)
    given = parser.parse_args()
    make_clone(given.folder, commits=given.commits)


if __name__ == "__main__":
    main()
