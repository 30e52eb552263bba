"""What one manifest says: its name, what it depends on, what it starts.

Each function takes the text of one kind of file. Values of another type than the format
asks for are passed over; a text that is not of the format at all raises ``ValueError``.
Nothing is executed, and nothing is expanded: YAML stays a tree of nodes, whose anchors
are followed one by one, and XML with a document type is refused.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET  # nosec B405 - see read_pom

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["MAX_MANIFEST", "MAX_YAML", "Manifest", "parser_of"]

MAX_MANIFEST: Final = 1 << 20
"""A manifest of more bytes is not read."""

MAX_YAML: Final = 1 << 16
"""Nor a YAML file of more than this: its parser takes seconds for a megabyte."""

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REQUIRE: Final = re.compile(
    r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+|[\w.-]+\.\w+)\s+v\d", re.MULTILINE
)
_GRADLE: Final = re.compile(
    r"\b\w*(?:implementation|api|compile|compileonly|runtimeonly|classpath|kapt|ksp)"
    r"\s*\(?\s*(?:platform\()?[\"']([\w.-]+:[\w.-]+)(?::[^\"']*)?[\"']",
    re.IGNORECASE,
)
_PLUGIN: Final = re.compile(r"\bid\s*\(?\s*[\"']([\w.-]+)[\"']")
_GEM: Final = re.compile(r"^\s*gem\s*\(?\s*[\"']([\w.-]+)[\"']", re.MULTILINE)
_FROM: Final = re.compile(
    r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.MULTILINE | re.IGNORECASE
)
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one manifest says. ``ecosystem`` is whose packages ``dependencies`` are."""

    ecosystem: str = ""
    name: str = ""
    description: str = ""
    dependencies: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    ci: tuple[str, ...] = ()


def parser_of(path: str) -> Callable[[str], Manifest] | None:
    """Return the function that reads the manifest with this path; None if it is none.

    >>> parser_of("backend/requirements-dev.txt").__name__
    'read_requirements'
    >>> parser_of("main.py")
    """
    name = path.rpartition("/")[2]
    found = _NAMED.get(name.lower())
    if found is None:
        found = next((read for pattern, read in _PATTERNS if pattern.search(path)), None)
    return found


def read_pyproject(text: str) -> Manifest:
    """Read ``pyproject.toml``, of any build tool or of Poetry."""
    whole = _toml(text)
    project = _table(whole.get("project"))
    poetry = _table(_table(whole.get("tool")).get("poetry"))
    asked = [*_texts(project.get("dependencies")), *_nested(project.get("optional-dependencies"))]
    asked += _nested(whole.get("dependency-groups"))
    groups = [_table(group).get("dependencies") for group in _table(poetry.get("group")).values()]
    for tables in (poetry.get("dependencies"), poetry.get("dev-dependencies"), *groups):
        asked += [name for name in _table(tables) if name.lower() != "python"]
    started = [*_table(project.get("scripts")), *_table(project.get("gui-scripts"))]
    return Manifest(
        "python",
        _text(project.get("name")) or _text(poetry.get("name")),
        _text(project.get("description")) or _text(poetry.get("description")),
        _requirements(asked),
        (*started, *_table(poetry.get("scripts"))),
    )


def read_setup_cfg(text: str) -> Manifest:
    """Read ``setup.cfg``."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error)) from error

    def lines(section: str, option: str) -> list[str]:
        return parser.get(section, option, fallback="").splitlines()

    asked = lines("options", "install_requires")
    if parser.has_section("options.extras_require"):
        for _, listed in parser.items("options.extras_require"):
            asked += listed.splitlines()
    started = [
        line.partition("=")[0].strip() for line in lines("options.entry_points", "console_scripts")
    ]
    return Manifest(
        "python",
        parser.get("metadata", "name", fallback=""),
        parser.get("metadata", "description", fallback=""),
        _requirements(asked),
        tuple(filter(None, started)),
    )


def read_requirements(text: str) -> Manifest:
    """Read ``requirements.txt``, pip's list of requirements."""
    return Manifest("python", dependencies=_requirements(text.splitlines()))


def read_package_json(text: str) -> Manifest:
    """Read ``package.json`` of npm and the like."""
    whole = _json(text)
    kinds = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
    asked = [name for kind in kinds for name in _table(whole.get(kind))]
    started = whole.get("bin")
    named = list(_table(started)) or [_text(whole.get("name"))] * isinstance(started, str)
    return Manifest(
        "npm",
        _text(whole.get("name")),
        _text(whole.get("description")),
        _unique(asked),
        tuple(filter(None, named)),
    )


def read_composer_json(text: str) -> Manifest:
    """Read ``composer.json`` of PHP."""
    whole = _json(text)
    asked = [*_table(whole.get("require")), *_table(whole.get("require-dev"))]
    return Manifest(
        "composer",
        _text(whole.get("name")),
        _text(whole.get("description")),
        _unique(name for name in asked if "/" in name),
        tuple(_texts(whole.get("bin"))),
    )


def read_cargo_toml(text: str) -> Manifest:
    """Read ``Cargo.toml`` of a package or a workspace."""
    whole = _toml(text)
    package = _table(whole.get("package"))
    tables = [whole, _table(whole.get("workspace")), *_tables(whole.get("target"))]
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    asked = [name for table in tables for kind in kinds for name in _table(table.get(kind))]
    listed = whole.get("bin")
    started = [
        _text(_table(each).get("name")) for each in (listed if isinstance(listed, list) else ())
    ]
    return Manifest(
        "cargo",
        _text(package.get("name")),
        _text(package.get("description")),
        _unique(asked),
        tuple(filter(None, started)),
    )


def read_go_mod(text: str) -> Manifest:
    """Read ``go.mod``."""
    module = re.search(r"^module\s+\"?([^\s\"]+)", text, re.MULTILINE)
    if module is None:
        raise ValueError("it names no module")
    name = re.sub(r"/v\d+$", "", module[1]).rpartition("/")[2]
    return Manifest("go", name, dependencies=_unique(_REQUIRE.findall(text)))


def read_pom(text: str) -> Manifest:
    """Read Maven's ``pom.xml``."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a document type, which is not read")
    try:
        root = ET.fromstring(text)  # noqa: S314 # nosec B314 - nothing expands
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    asked = [
        f"{_child(each, 'groupId')}:{_child(each, 'artifactId')}"
        for kind in ("dependency", "parent")
        for each in root.iter()
        if _tag(each) == kind
    ]
    name = _child(root, "name") or _child(root, "artifactId")
    return Manifest("maven", name, _child(root, "description"), _unique(asked))


def read_gradle(text: str) -> Manifest:
    """Read what a Gradle build asks for in the usual way; the script itself is not run."""
    return Manifest(
        "gradle", dependencies=_unique([*_GRADLE.findall(text), *_PLUGIN.findall(text)])
    )


def read_gemfile(text: str) -> Manifest:
    """Read the gems that a ``Gemfile`` names."""
    return Manifest("ruby", dependencies=_unique(_GEM.findall(text)))


def read_dockerfile(text: str) -> Manifest:
    """Read from which images a Dockerfile builds."""
    found = _FROM.findall(text)
    stages = {stage.lower() for _, stage in found} | {"scratch"}
    return Manifest(images=_unique(image for image, _ in found if image.lower() not in stages))


def read_compose(text: str) -> Manifest:
    """Read the services of a compose file, and the images they run."""
    services = dict(_entries(_value(_yaml(text), "services")))
    images = [_scalar(_value(service, "image")) for service in services.values()]
    return Manifest(services=tuple(services), images=_unique(filter(None, images)))


def read_workflow(text: str) -> Manifest:
    """Read a workflow of GitHub: its name, and the services that its jobs run beside them."""
    root = _yaml(text)
    images = [
        _scalar(_value(service, "image"))
        for _, job in _entries(_value(root, "jobs"))
        for _, service in _entries(_value(job, "services"))
    ]
    name = _scalar(_value(root, "name"))
    return Manifest(
        images=_unique(filter(None, images)),
        ci=(f"GitHub Actions: {name}" if name else "GitHub Actions",),
    )


_NAMED: Final[Mapping[str, Callable[[str], Manifest]]] = {
    "pyproject.toml": read_pyproject,
    "setup.cfg": read_setup_cfg,
    "package.json": read_package_json,
    "composer.json": read_composer_json,
    "cargo.toml": read_cargo_toml,
    "go.mod": read_go_mod,
    "pom.xml": read_pom,
    "build.gradle": read_gradle,
    "build.gradle.kts": read_gradle,
    "gemfile": read_gemfile,
}
_PATTERNS: Final = (
    (re.compile(r"^\.github/workflows/[^/]+\.ya?ml$"), read_workflow),
    (re.compile(r"(?:^|/)(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml$", re.IGNORECASE), read_compose),
    (re.compile(r"(?:^|/)(?:[\w-]+\.)?Dockerfile(?:\.[\w.-]+)?$", re.IGNORECASE), read_dockerfile),
    (re.compile(r"(?:^|/)requirements(?:[-_.][\w.-]+)?\.txt$", re.IGNORECASE), read_requirements),
)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _json(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(whole, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - the text is wrong, not a type
    return whole


def _yaml(text: str) -> yaml.Node | None:
    """Return the root of a YAML text, of which nothing was built yet."""
    if len(text.encode()) > MAX_YAML:
        raise ValueError(f"YAML of more than {MAX_YAML} bytes is not read")
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _entries(node: yaml.Node | None, depth: int = 0) -> Iterator[tuple[str, yaml.Node]]:
    """Yield what a mapping holds, then what it merges from others (``<<``)."""
    if not isinstance(node, yaml.MappingNode) or depth > _DEEPEST:
        return
    for key, value in node.value:
        if key.value == "<<":
            yield from _entries(value, depth + 1)
        elif isinstance(key, yaml.ScalarNode):
            yield key.value, value


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(node) if key == name), None)


def _scalar(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: ET.Element, name: str) -> str:
    return next((" ".join((each.text or "").split()) for each in element if _tag(each) == name), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [_table(each) for each in _table(value).values()]


def _nested(value: object) -> list[str]:
    return [text for listed in _table(value).values() for text in _texts(listed)]


def _requirements(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names at the start of requirements, as they are compared."""
    names = (_NAME.match(line.strip()) for line in lines if "://" not in line.partition("@")[0])
    return _unique(re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
