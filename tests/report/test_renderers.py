"""Checks that need a program the project does without: Quarto, a Chromium browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from evaluation.report import quarto
from evaluation.report.render import render

from .pages import read

CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars"]  # fmt: skip

BROWSER_S_OWN = (".google.com", ".googleapis.com", ".gvt1.com")  # what Chromium asks for by itself, on any page


def _words(path: Path) -> list[str]:
    """The words of a document, without the captions' numbers' punctuation and what the renderers add around it."""
    if path.suffix == ".pdf":
        text = " ".join(page.extract_text() for page in PdfReader(path).pages)
    else:
        text = " ".join(
            e.text for e in read(path).all("p", "h1", "h2", "h3", "li", "td", "th", "figcaption", "caption")
        )
    return re.findall(r"[\w’%.,−]*\w", text)


@pytest.mark.quarto
@pytest.mark.skipif(quarto.found("pdf") is None, reason="Quarto 1.7 or newer is not installed")
@pytest.mark.parametrize("product", ["brief", "full", "appendix"])
@pytest.mark.parametrize("form", ["html", "pdf"])
def test_quarto_and_the_embedded_renderer_say_the_same(rendered: Path, tmp_path: Path, product: str, form: str) -> None:
    (made,) = render(rendered / "report" / "source", tmp_path, (product,), (form,), "quarto")
    ours, theirs = _words(rendered / "report" / f"{product}.{form}"), _words(made)
    added = {"Warning", "Author", "Published", "Contents", "Table", "Figure", "Skip", "Results", "of", "Page"}
    assert set(ours) - set(theirs) <= added
    assert set(theirs) - set(ours) <= added | {"Date"}


def _screenshot(page: Path, target: Path, log: Path, profile: Path) -> None:
    subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", f"--log-net-log={log}", "--window-size=900,1600",
         f"--screenshot={target}", page.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip


@pytest.mark.chromium
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium browser is installed")
def test_a_browser_shows_the_page_and_asks_for_nothing_else(rendered: Path, tmp_path: Path) -> None:
    import matplotlib.image

    shot, log = tmp_path / "shot.png", tmp_path / "net.json"
    _screenshot(rendered / "report" / "full.html", shot, log, tmp_path / "profile")
    pixels = matplotlib.image.imread(shot)[..., :3]
    assert pixels.shape[:2] == (1600, 900)
    assert 0.02 < float((pixels < 0.5).any(axis=-1).mean()) < 0.5  # text on white: neither blank nor black
    hosts = set(re.findall(r'"url":"https?://([^/":]+)', log.read_text(encoding="utf-8", errors="replace")))
    assert {h for h in hosts if not h.endswith(BROWSER_S_OWN)} == set()
