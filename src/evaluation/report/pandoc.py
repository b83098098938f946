"""The embedded renderer: the same Quarto documents through the Pandoc and the Typst that come as packages.

No network, no system fonts, no Quarto. Dates inside files are the run's day, so equal sources give equal bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation.errors import Problem, ReportError
from evaluation.report.docx_theme import with_whole_rows
from evaluation.report.resolve import Resolved, resolve
from evaluation.report.words import day

FILTERS = ("filters/quarto.lua", "filters/report.lua")
OPTIONS = {
    "html": ("--to=html5", "--template=theme/page.html", "--css=theme/report.css", "--embed-resources"),
    "pdf": ("--to=typst", "--template=theme/document.typ", "--shift-heading-level-by=-1"),
    "docx": ("--to=docx", "--reference-doc=theme/reference.docx", "--shift-heading-level-by=-1"),
}
EPOCH = 946684800  # 2000-01-01, where a run records no day


def render(source: Path, product: str, form: str, target: Path) -> None:
    """Render `<product>.qmd` of the project at `source` to `target`; `form` is html, pdf or docx.

    Raises
    ------
    ReportError
        Where the document or the renderer fails, with its message.
    """
    document = source / f"{product}.qmd"
    resolved = resolve(document)
    moment = timestamp(resolved.metadata)
    made = _pandoc(source, document, resolved, form, moment)
    if form == "pdf":
        made = _typst(source, document, made, moment)
    target.write_bytes(with_whole_rows(made) if form == "docx" else made)


def timestamp(metadata: dict[str, Any]) -> int:
    """Seconds since 1970 of the run's day, which stands in for the time of rendering."""
    try:
        return int(datetime.fromisoformat(str(metadata.get("date"))).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return EPOCH


def _pandoc(source: Path, document: Path, resolved: Resolved, form: str, moment: int) -> bytes:
    import pypandoc

    metadata = {k: v for k, v in resolved.metadata.items() if k != "toc"}
    if "date" in metadata:
        metadata |= {"date": day(str(metadata["date"])), "date-iso": metadata["date"]}
    front = json.dumps({k: str(v) for k, v in metadata.items()}, ensure_ascii=False)
    options = [*OPTIONS[form], "--from=markdown", "--standalone", "--wrap=none"]
    options += [f"--lua-filter={name}" for name in FILTERS]
    if resolved.metadata.get("toc") and form != "docx":  # Word fills a table of contents only when told to
        options += ["--toc", "--toc-depth=2" if form == "html" else "--toc-depth=1"]
    answer = subprocess.run(  # noqa: S603
        [pypandoc.get_pandoc_path(), *options, "--output=-"],
        input=f"---\n{front}\n---\n\n{resolved.text}".encode(),
        cwd=source,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(moment)},
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        raise ReportError(Problem(str(document), "pandoc", answer.stderr.decode("utf-8", "replace").strip()[-1500:]))
    return answer.stdout


def _typst(source: Path, document: Path, text: bytes, moment: int) -> bytes:
    import typst

    compiled: Any = typst.compile  # its stub wants text and root to be of one type
    try:
        made = compiled(
            text, root=str(source), ignore_system_fonts=True, format="pdf", pdf_standards=["ua-1"], timestamp=moment
        )
    except typst.TypstError as error:
        raise ReportError(Problem(str(document), "typst", str(error)[-1500:])) from None
    if not isinstance(made, bytes):
        raise ReportError(Problem(str(document), "typst", "made no single PDF."))
    return made
