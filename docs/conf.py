"""How the site is built: `make docs`. Nothing is fetched, and every warning is an error."""

from __future__ import annotations

from typing import Any

from templedb_nb.version import __version__

project = "templedb-nb"
author = "The templedb-nb maintainers"
version = release = __version__
project_copyright = author

extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_title = f"templedb-nb {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# Furo's own marks of origin lead out of the site; its licence asks for none.
html_theme_options: dict[str, Any] = {"footer_icons": []}
