"""Sphinx configuration: MyST pages, an executed notebook, and the reference of public functions
from their docstrings.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generate import PLACE, filled

project = "bayesmixer"
author = "The bayesmixer developers"
project_copyright = "The bayesmixer developers"
release = version = installed_version("bayesmixer")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = False

# MyST and the notebook
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]

# Reference of public functions
autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"bayesmixer {release}"
html_copy_source = False


def _escape_bars(app, what, name, obj, options, lines):
    """Let docstrings say |z|, which reStructuredText takes for a substitution; what stands between
    backticks stays.
    """
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
        lines[i] = "`".join(parts)


def _fill(app, docname, source):
    """Put what the code tells of itself into its places."""
    source[0] = filled(source[0])


def _always_read(app, env, added, changed, removed):
    """Pages with such places are read each time: what they tell may have changed."""
    return [
        name
        for name in env.found_docs
        if (page := Path(app.srcdir, name + ".md")).exists() and PLACE.search(page.read_text())
    ]


def setup(app):
    """Register the hooks above; that of bars runs after napoleon has read the sections."""
    app.connect("autodoc-process-docstring", _escape_bars, priority=900)
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _always_read)
