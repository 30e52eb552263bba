"""What a project is built of, found in its manifests and files at HEAD."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from project_architect_db.importers.documents import decoded
from project_architect_db.importers.manifests import MAX_MANIFEST, Manifest, parser_of
from project_architect_db.importers.tables import (
    CI_FILES,
    DATABASES,
    FRAMEWORKS,
    LANGUAGES,
    TEST_FRAMEWORKS,
)
from project_architect_db.importers.tree import Notice, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from project_architect_db.importers.blobs import Blobs
    from project_architect_db.importers.tree import TreeFile

__all__ = ["MAX_MANIFESTS", "Architecture", "read_architecture"]

MAX_MANIFESTS: Final = 500
"""So many manifests are read, those nearest to the root first."""

_FOREIGN: Final = re.compile(
    r"(?:^|/)(?:node_modules|bower_components|vendor|third[-_]?party|site-packages|\.venv|venv|dist)/"
)
_TESTS: Final = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec)/|(?:^|/)test_[^/]*\.\w+$|[._](?:test|spec)\.\w+$|_test\.\w+$"
    r"|Tests?\.(?:java|kt|cs)$"
)
_SAMPLES: Final = re.compile(r"(?:^|/)(?:tests?|fixtures|testdata|examples?|samples?|templates?)/")
_PACKAGE: Final = re.compile(r"(?P<folder>(?:(?:[^/]+/){0,2}(?:src|lib)/)?[^/]+)/__init__\.py")
_MAINS: Final = re.compile(r"(?:^|/)(?:manage\.py|__main__\.py|cmd/[^/]+/main\.go|src/main\.rs)$")


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a project is built of; ``name`` and ``description`` are its manifest's.

    ``languages`` are bytes at HEAD, most first; ``framework`` is the first of
    ``frameworks``; ``components`` are the folders with a manifest of their own and the
    top-level Python packages.
    """

    name: str = ""
    description: str = ""
    languages: Mapping[str, int] = field(default_factory=dict)
    frameworks: tuple[str, ...] = ()
    dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    test_frameworks: tuple[str, ...] = ()
    test_files: int = 0
    ci: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()

    @property
    def framework(self) -> str | None:
        """The framework that says most about it."""
        return self.frameworks[0] if self.frameworks else None

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON has: what a project's ``architecture`` holds."""
        return {
            "languages": dict(self.languages),
            "framework": self.framework,
            "frameworks": list(self.frameworks),
            "dependencies": {name: list(found) for name, found in self.dependencies.items()},
            "services": list(self.services),
            "databases": list(self.databases),
            "images": list(self.images),
            "entry_points": list(self.entry_points),
            "components": list(self.components),
            "tests": {"frameworks": list(self.test_frameworks), "files": self.test_files},
            "ci": list(self.ci),
            "manifests": list(self.manifests),
        }


def read_architecture(
    blobs: Blobs, files: Sequence[TreeFile], notices: list[Notice]
) -> Architecture:
    """Return what the files at HEAD say; a manifest that cannot be read is told in ``notices``.

    Raises:
        ReadingInterrupted: git was ended from outside.
    """
    ours = [
        (each.path, each)
        for each in files
        if not (each.is_symlink or each.is_submodule) and is_inside(each.raw_path)
    ]
    ours = [(path, each) for path, each in ours if not _FOREIGN.search(path)]
    found = dict(_manifests(blobs, ours, notices))
    first = next(
        (each for path, each in found.items() if "/" not in path and each.name), Manifest()
    )
    dependencies = _dependencies(found.values())
    names = [name.lower() for listed in dependencies.values() for name in listed]
    images = _all(each.images for each in found.values())
    paths = [path for path, _ in ours]
    return Architecture(
        name=first.name,
        description=first.description,
        languages=_languages(ours),
        frameworks=_told(FRAMEWORKS, names),
        dependencies=dependencies,
        services=_all(each.services for each in found.values()),
        databases=_told(DATABASES, [*names, *map(_image_name, images)]),
        images=images,
        entry_points=(
            *_all(each.entry_points for each in found.values()),
            *(path for path in paths if _MAINS.search(path) and not _SAMPLES.search(path)),
        ),
        components=_components(found, paths),
        test_frameworks=_told(TEST_FRAMEWORKS, names),
        test_files=sum(1 for path in paths if _is_test(path)),
        ci=_all([*(each.ci for each in found.values()), _ci_of(paths)]),
        manifests=tuple(found),
    )


def _manifests(
    blobs: Blobs, files: Iterable[tuple[str, TreeFile]], notices: list[Notice]
) -> Iterator[tuple[str, Manifest]]:
    """Yield the manifests that can be read, those nearest to the root first."""
    known = [each for each in files if parser_of(each[0]) and not _SAMPLES.search(each[0])]
    known.sort(key=lambda each: (each[0].count("/"), each[0]))
    for path, _ in known[MAX_MANIFESTS:]:
        notices.append(Notice("manifest", path, f"only {MAX_MANIFESTS} manifests are read"))
    for path, file in known[:MAX_MANIFESTS]:
        try:
            yield path, _manifest(blobs, path, file)
        except ValueError as error:
            reason = str(error).partition("\n")[0][:200]
            notices.append(Notice("manifest", path, f"it cannot be read: {reason}"))


def _manifest(blobs: Blobs, path: str, file: TreeFile) -> Manifest:
    parse = parser_of(path)
    assert parse is not None  # noqa: S101 - only manifests come here
    blob = blobs.read(file.blob, MAX_MANIFEST)
    if blob.content is None:
        missing = "its content is missing or damaged"
        raise ValueError(f"it has {blob.size} bytes" if blob.size else missing)
    text = decoded(blob.content)
    if text is None:
        raise ValueError("it is binary")
    return parse(text)


def _dependencies(found: Iterable[Manifest]) -> dict[str, tuple[str, ...]]:
    """Return what is depended on in each ecosystem, without what the clone itself holds."""
    named = [each for each in found if each.ecosystem]
    own = {(each.ecosystem, each.name) for each in named}
    asked = {(each.ecosystem, name) for each in named for name in each.dependencies} - own
    listed: dict[str, list[str]] = {}
    for ecosystem, name in sorted(asked):
        listed.setdefault(ecosystem, []).append(name)
    return {ecosystem: tuple(names) for ecosystem, names in listed.items()}


def _languages(files: Iterable[tuple[str, TreeFile]]) -> dict[str, int]:
    """Return the bytes in each language, most first."""
    sizes: dict[str, int] = defaultdict(int)
    for path, file in files:
        name = path.rpartition("/")[2].lower()
        language = LANGUAGES.get(name) or LANGUAGES.get(name.rpartition(".")[2])
        if language and file.size:
            sizes[language] += file.size
    return dict(sorted(sizes.items(), key=lambda each: (-each[1], each[0])))


def _told(table: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """Return what the names stand for, in the order of the table."""
    present = set(names) | {name.rpartition("/")[2] for name in names}
    present |= {name.partition(":")[0] for name in names}
    return _all([meant] for name, meant in table.items() if name in present)


def _image_name(image: str) -> str:
    """Return what an image is, without registry, version and digest.

    >>> _image_name("registry.example:5000/library/postgres:16-alpine")
    'postgres'
    """
    return re.split("[:@]", image.rpartition("/")[2], maxsplit=1)[0].lower()


def _components(found: Mapping[str, Manifest], paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders with a manifest of their own, and the packages beside those."""
    folders = {
        path.rpartition("/")[0]
        for path, each in found.items()
        if "/" in path and each.ecosystem and "requirements" not in path
    }
    for path in paths:
        match = _PACKAGE.fullmatch(path)
        if match and not (_is_test(path) or _SAMPLES.search(path)):
            within = path.split("/")
            if not folders.intersection("/".join(within[:end]) for end in range(1, len(within))):
                folders.add(match["folder"])
    return tuple(sorted(folders))


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return bool(_TESTS.search(path)) and name.rpartition(".")[2] in LANGUAGES


def _ci_of(paths: Iterable[str]) -> list[str]:
    return [name for path in paths for pattern, name in CI_FILES if pattern.search(path)]


def _all(listed: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in listed for name in names))
