"""The documentation as a site: Sphinx reads the pages where they lie.

The source directory is the root of the repository, so a link that works between the
files works between the pages. ``make site`` builds it, without the network.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import public_api
import site_pages

import andamios_orm

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Andamios"
author = "the authors of Andamios"
copyright = "the authors of Andamios, MIT licence"  # noqa: A001 - Sphinx asks for this name
version = release = andamios_orm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "*.md",
    "packages/*/README.md",
    "packages/*/src/**.md",
    "changelog.d/README.md",
]
exclude_patterns = [
    ".*",
    "benchmarks",
    "build",
    "dist",
    "examples",
    "packages/*/tests",
    "scripts",
    "tests",
]

nitpicky = True
# There is no network to look up what others document. What is ours has to be there, but
# for what lies in a module of a module: it is shown where the name is public.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!andamios_).*"),
    (r"py:.*", r"andamios_\w+(\.[a-z_]\w*){2,}\.\w+"),
]
# The package exports again what its modules export: both are the same.
suppress_warnings = ["ref.python"]

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block"]
pygments_style = "tango"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
add_module_names = False
maximum_signature_line_length = 72
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "Andamios"
html_static_path = ["_static"]
html_css_files = ["andamios.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#8a4b08",
        "color-brand-content": "#8a4b08",
        "color-brand-visited": "#8a4b08",
    },
    "dark_css_variables": {
        "color-brand-primary": "#f0b265",
        "color-brand-content": "#f0b265",
        "color-brand-visited": "#f0b265",
    },
}


def setup(app: "Sphinx") -> dict[str, bool]:
    """Add the reference of public names, and the pages that come from other files."""
    public_api.setup(app)
    site_pages.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
