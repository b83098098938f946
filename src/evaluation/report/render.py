"""Render a report project: with Quarto where it is there, else with the embedded Pandoc and Typst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evaluation.errors import Problem, ReportError
from evaluation.report import pandoc, quarto

PRODUCTS = ("brief", "full", "appendix")
FORMATS = ("html", "pdf", "docx")
RENDERERS = ("auto", "quarto", "pandoc")


def render(
    source: Path,
    out: Path,
    products: Sequence[str] = PRODUCTS,
    formats: Sequence[str] = FORMATS,
    renderer: str = "auto",
) -> list[Path]:
    """Write `<product>.<format>` into `out` for every product and format, and return the paths.

    `source` is a folder written by `write.write`; it is read, never changed.

    Raises
    ------
    ReportError
        For an unknown product, format or renderer, a product without a document, Quarto asked for and not
        there, or a document that does not render (with the renderer's own message).
    """
    _known("product", products, PRODUCTS)
    _known("format", formats, FORMATS)
    _known("renderer", (renderer,), RENDERERS)
    for product in products:
        if not (source / f"{product}.qmd").is_file():
            raise ReportError(
                Problem(str(source), product, "has no document there.", "Write the report's source first.")
            )
    by = {form: _renderer(renderer, form) for form in formats}
    out.mkdir(parents=True, exist_ok=True)
    done = []
    for product in products:
        for form in formats:
            target = out / f"{product}.{form}"
            by[form](source, product, form, target)
            done.append(target)
    return done


def _renderer(asked: str, form: str) -> Callable[[Path, str, str, Path], None]:
    use_quarto = asked == "quarto" or (asked == "auto" and quarto.found(form) is not None)
    return quarto.render if use_quarto else pandoc.render


def _known(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    wrong = [g for g in given if g not in known]
    if wrong:
        raise ReportError(Problem("", what, f'there is no {what} "{wrong[0]}".', f"There are: {', '.join(known)}."))
