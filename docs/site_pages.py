"""What a site needs beyond the pages: its tree, and pages for the files they link to.

The tree is read from the links of the pages that list others, so there is no second
list to keep. A link to a file of code leads to a page that shows it.
"""

import html
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LISTS = ("docs/index", "docs/adr/README", "docs/reference/api/README")
UNLISTED = ("docs/adr/template", "changelog.d/README")
GROUP = re.compile(r"^(?:\*\*|## )(?P<caption>[^*\n]+)", re.MULTILINE)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ margin: 1.5rem; }} h1 {{ font-size: 1.1rem; }}
pre {{ font-size: .8rem; line-height: 1.45; }}
pre a {{ color: gray; text-decoration: none; }}
</style></head><body><h1>{title}</h1>{body}</body></html>
"""
FIRST = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=docs/index.html">
<title>Andamios</title><a href="docs/index.html">Andamios</a>
"""
LINK = re.compile(r"\]\((?P<target>[^)\s#:]+\.md)(?:#[^)\s]*)?\)")


def trees(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield caption and pages of each group in a page that lists others."""
    marks = [(match.start(), match["caption"].strip()) for match in GROUP.finditer(text)]
    starts = [(0, ""), *marks]
    ends = [start for start, _ in marks] + [len(text)]
    for (start, caption), end in zip(starts, ends, strict=True):
        pages = [target.removesuffix(".md") for target in LINK.findall(text[start:end])]
        pages = [page for page in pages if page != "template"]
        if pages:
            yield caption, list(dict.fromkeys(pages))


def add_trees(_: "Sphinx", docname: str, source: list[str]) -> None:
    """Append a hidden tree for each group of a page that lists others."""
    if docname in UNLISTED:
        source[0] = "---\norphan: true\n---\n" + source[0]
    if docname not in LISTS:
        return
    for caption, pages in trees(source[0]):
        options = f":hidden:\n:caption: {caption}\n" if caption else ":hidden:\n"
        source[0] += "\n\n```{toctree}\n" + options + "\n" + "\n".join(pages) + "\n```\n"


class ShowFiles(SphinxTransform):
    """Leads a link to a file or folder of the repository to the page that shows it."""

    # After what makes links, before what copies downloads. Docutils comes without types.
    default_priority = 800  # type: ignore[assignment]

    def apply(self, **_: Any) -> None:
        """Replace what would be a download, or a link to nothing."""
        here = posixpath.dirname(self.env.docname)
        for node in list(self.document.findall(addnodes.download_reference)):
            self.lead(node, posixpath.normpath(posixpath.join(here, node["reftarget"])))
        for node in list(self.document.findall(addnodes.pending_xref)):
            name = posixpath.normpath(posixpath.join(here, node["reftarget"]))
            if node["reftype"] == "myst" and (Path(self.env.srcdir) / name).is_dir():
                self.lead(node, name)

    def lead(self, node: nodes.Element, name: str) -> None:
        """Let a link lead to the page of ``name``."""
        self.env.metadata[self.env.docname].setdefault("files", set()).add(name)
        uri = posixpath.relpath(f"files/{name}.html", posixpath.dirname(self.env.docname))
        node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=uri))


def shown(root: Path, linked: set[str]) -> list[str]:
    """Return the files and folders to show: what is linked, and what those folders hold."""
    inside = {
        path.relative_to(root).as_posix()
        for name in linked
        if (root / name).is_dir()
        for path in (root / name).rglob("*.py")
    }
    return sorted(linked | inside)


def write_pages(app: "Sphinx", exception: Exception | None) -> None:
    """Write a page for every file or folder that another page links to."""
    if exception is not None:
        return
    root = Path(app.srcdir)
    linked = {name for each in app.env.metadata.values() for name in each.get("files", ())}
    for name in shown(root, linked):
        page = Path(app.outdir) / "files" / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        path = root / name
        body = listing(path) if path.is_dir() else code(path)
        page.write_text(PAGE.format(title=html.escape(name), body=body), encoding="utf-8")
    (Path(app.outdir) / "index.html").write_text(FIRST, encoding="utf-8")


def listing(folder: Path) -> str:
    """Return the files of a folder as a list of links."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    items = (f'<li><a href="{folder.name}/{name}.html">{name}</a></li>' for name in names)
    return f"<ul>{''.join(items)}</ul>"


def code(path: Path) -> str:
    """Return a file with the number of each line, as an anchor."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return (
        "<pre>"
        + "\n".join(
            f'<a id="L{number}" href="#L{number}">{number:>4}</a>  {html.escape(line)}'
            for number, line in enumerate(lines, 1)
        )
        + "</pre>"
    )


def setup(app: "Sphinx") -> None:
    """Connect the tree and the pages of files."""
    app.connect("source-read", add_trees)
    app.add_transform(ShowFiles)
    app.connect("build-finished", write_pages)
