"""The Word theme of one study: the reference document with the study's title in its page header."""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape

TITLE, BANNER = "STUDYTITLE", "BANNERTEXT"


def with_header(reference: bytes, title: str, *, simulated: bool) -> bytes:
    """The reference document with its header's two placeholders filled; equal input gives equal bytes."""
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(reference)) as old, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.namelist()):
            content = old.read(entry)
            if entry.startswith("word/header"):
                text = content.decode("utf-8").replace(TITLE, escape(title))
                content = text.replace(BANNER, "Simulated data" if simulated else "").encode("utf-8")
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return found.getvalue()
