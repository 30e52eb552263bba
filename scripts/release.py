"""Check that a tag can be released, and collect what its release consists of."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("andamios-orm", "axai-pg", "project-architect-db")
PIN = re.compile(r"^(?P<name>[a-z0-9.-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


class NotReleasable(Exception):
    """The tag and the repository disagree; the message says where."""


def main() -> int:
    """Run the step that was asked for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["check", "files"])
    parser.add_argument("tag", help="v1.2.3")
    options = parser.parse_args()
    try:
        version = checked_version(options.tag, ROOT)
        if options.step == "files":
            write_files(version, ROOT / "build" / "release")
    except NotReleasable as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    return 0


def checked_version(tag: str, root: Path) -> str:
    """Return the version of ``tag``, which all packages and the changelog must have.

    Raises:
        NotReleasable: a package has another version, or the changelog is not made.
    """
    match = re.fullmatch(r"v(\d+\.\d+\.\d+)", tag)
    if match is None:
        message = f"{tag or 'no tag'} is no release tag: it has the form v1.2.3"
        raise NotReleasable(message)
    version = match[1]
    for name in PACKAGES:
        if package_version(root, name) != version:
            message = f"{name} has version {package_version(root, name)}, the tag says {version}"
            raise NotReleasable(message)
    left = sorted(path.name for path in root.glob("changelog.d/*/*.md"))
    if left or not release_notes(root, version):
        message = f"the changelog lacks {version}: make changelog VERSION={version} (left: {left})"
        raise NotReleasable(message)
    return version


def package_version(root: Path, name: str) -> str:
    """Return the version that the source of package ``name`` states."""
    module = name.replace("-", "_")
    source = root / "packages" / name / "src" / module / "__init__.py"
    match = re.search(r'^__version__ = "(.+)"$', source.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "unknown"


def release_notes(root: Path, version: str) -> str:
    """Return the section of the changelog about ``version``, empty if there is none."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## {re.escape(version)} .*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return section[1].strip() if section else ""


def write_files(version: str, target: Path) -> None:
    """Write the distributions, the notes and the list of ingredients into ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    packages = target / "packages"
    packages.mkdir(parents=True)
    for name in PACKAGES:
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(packages)]
        subprocess.run([*build, str(ROOT / "packages" / name)], check=True)
    (target / "notes.md").write_text(release_notes(ROOT, version) + "\n", encoding="utf-8")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    ingredients = json.dumps(bill_of_materials(version, lock), indent=1)
    (target / "sbom.json").write_text(ingredients + "\n", encoding="utf-8")


def bill_of_materials(version: str, lock: str) -> dict[str, object]:
    """Return what ``lock`` pins in the form of CycloneDX."""
    pinned = [(match["name"], match["version"]) for match in PIN.finditer(lock)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "library", "name": "andamios", "version": version}},
        "components": [
            {"type": "library", "name": name, "version": v, "purl": f"pkg:pypi/{name}@{v}"}
            for name, v in pinned
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
