"""The Word theme of one study, and what Pandoc cannot say about a Word table: that its rows are not to be split."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from xml.sax.saxutils import escape

TITLE, BANNER = "STUDYTITLE", "BANNERTEXT"


_ROW = re.compile(rb"<w:tr>(<w:trPr>)?")


def with_header(reference: bytes, title: str, *, simulated: bool) -> bytes:
    """The reference document with its header's two placeholders filled; equal input gives equal bytes."""

    def filled(entry: str, content: bytes) -> bytes:
        if not entry.startswith("word/header"):
            return content
        text = content.decode("utf-8").replace(TITLE, escape(title))
        return text.replace(BANNER, "Simulated data" if simulated else "").encode("utf-8")

    return _rewritten(reference, filled)


def with_whole_rows(document: bytes) -> bytes:
    """A Word document as Pandoc writes it, with every table row kept on one page; equal input gives equal bytes."""

    def kept(entry: str, content: bytes) -> bytes:
        return _ROW.sub(_unsplit, content) if entry == "word/document.xml" else content

    return _rewritten(document, kept)


def _unsplit(row: re.Match[bytes]) -> bytes:
    rule = b"<w:tr><w:trPr><w:cantSplit/>"
    return rule if row.group(1) else rule + b"</w:trPr>"


def _rewritten(document: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The document with each of its parts changed, in the order of their names and without times."""
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.namelist()):
            content = change(entry, old.read(entry))
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return found.getvalue()
