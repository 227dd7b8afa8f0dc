"""An executed notebook as one page that needs no network."""

from __future__ import annotations

from typing import Any

_SCRIPT, _END = "<script", "</script>"
_REMOTE = ("require_js_url", "jquery_url", "mathjax_url", "jupyter_widgets_base_url",
           "mermaid_js_url", "mermaid_layout_elk_js_url")  # fmt: skip


def page(notebook: str) -> str:
    """Return the HTML of a notebook's JSON, with nothing in it that is loaded from elsewhere.

    It is nbconvert's template ``lab``, without its loaders: formulas and diagrams in Markdown stay
    as they are written, and pictures are in the page. Raises ImportError without nbconvert.
    """
    import nbformat
    from nbconvert.exporters import HTMLExporter

    made_of: Any = HTMLExporter
    exporter = made_of(template_name="lab", embed_images=True)
    for name in _REMOTE:
        if exporter.has_trait(name):
            setattr(exporter, name, "")
    read: Any = nbformat.reads  # joins the lines that a file has apart
    text, _ = exporter.from_notebook_node(read(notebook, as_version=4))
    return _without_loaders(str(text))


def _without_loaders(text: str) -> str:
    """Return *text* without the scripts that load a library for diagrams; read once, in order."""
    kept, at = [], 0
    while (start := text.find(_SCRIPT, at)) >= 0 and (end := text.find(_END, start)) >= 0:
        end += len(_END)
        kept.append(text[at:start] if "mermaid" in text[start:end] else text[at:end])
        at = end
    return "".join([*kept, text[at:]])
