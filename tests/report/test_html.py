"""The web pages: self-contained, and readable for everyone."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from pathlib import Path

import pytest

from evaluation import resources

from .cases import Case
from .pages import Page, read

PRODUCTS = ("brief", "full", "appendix")


@pytest.fixture(params=PRODUCTS)
def page(rendered: Path, request: pytest.FixtureRequest) -> Page:
    return read(rendered / "report" / f"{request.param}.html")


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    loads = [
        e.attributes.get(a, "")
        for e in page.elements
        for a in ("src", "href", "srcset", "data", "action")
        if e.tag != "a"
    ]
    assert [v for v in loads if v and not v.startswith("data:")] == []
    assert page.all("script", "iframe", "object", "link") == []
    styles = "".join(e.text for e in page.all("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    assert styles


def test_links_lead_inside_the_page_or_carry_their_file(page: Page) -> None:
    ids = {e.attributes["id"] for e in page.elements if "id" in e.attributes}
    targets = [e.attributes["href"] for e in page.all("a") if "href" in e.attributes]
    assert [t for t in targets if not t.startswith("data:") and t.removeprefix("#") not in ids] == []


def test_elements_close_and_ids_are_unique(page: Page) -> None:
    assert page.unclosed == []
    assert page.open == []
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert sorted(ids) == sorted(set(ids))


def test_language_title_and_landmarks(page: Page, case: Case) -> None:
    assert page.all("html")[0].attributes["lang"] == "en-US"
    assert case.study["title"].replace("’", "") in page.all("title")[0].text.replace("’", "")
    assert len(page.all("main")) == 1
    skip = page.all("a")[0]
    assert skip.attributes == {"class": "skip", "href": "#content"}
    assert page.all("main")[0].attributes["id"] == "content"


def test_one_first_heading_and_no_level_skipped(page: Page) -> None:
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert [b - a for a, b in pairwise(levels) if b - a > 1] == []
    assert all(e.text.strip() for e in page.all("h1", "h2", "h3"))


def test_no_heading_stands_alone(page: Page) -> None:
    """Between two headings of the same level, or before a higher one, there is something to read."""
    marks = [e for e in page.elements if e.tag in {"h1", "h2", "h3", "p", "table", "ul", "dl", "figure"}]
    alone = [
        a.text for a, b in pairwise(marks) if a.tag in {"h2", "h3"} and b.tag in {"h1", "h2", "h3"} and b.tag <= a.tag
    ]
    assert alone == []


def test_images_have_alternatives(page: Page) -> None:
    for image in page.all("img"):
        assert len(image.attributes["alt"]) > 60
        assert re.search(r"\d", image.attributes["alt"])


def test_tables_have_captions_and_scopes(page: Page) -> None:
    tables = page.all("table")
    assert len(page.all("caption")) == len(tables)
    assert {e.attributes.get("scope") for e in page.all("th") if "thead" in e.within} <= {"col"}
    assert {e.attributes.get("scope") for e in page.all("th") if "tbody" in e.within} <= {"row"}
    assert all(e.text.strip() for e in page.all("th") if "thead" in e.within)
    regions = [e for e in page.all("div") if e.attributes.get("class") == "table-wrap"]
    assert len(regions) == len(tables)
    assert all(e.attributes["aria-label"] and e.attributes["tabindex"] == "0" for e in regions)


def test_the_data_behind_each_figure_can_be_taken_along(page: Page, rendered: Path) -> None:
    links = [e for e in page.all("a") if "download" in e.attributes]
    assert len(links) == len(page.all("figure"))
    for link in links:
        kind, _, content = link.attributes["href"].partition(",")
        assert kind == "data:text/csv;charset=utf-8;base64"
        stored = rendered / "report" / "source" / "figures" / link.attributes["download"]
        assert base64.b64decode(content) == stored.read_bytes()


def test_simulated_data_are_marked_on_the_page(page: Page, case: Case) -> None:
    banners = [e for e in page.all("div") if e.attributes.get("class") == "banner"]
    assert len(banners) == ("simulation" in case.study)
    assert all(e.text.strip() == "Simulated data" for e in banners)


def test_figures_and_tables_are_numbered_in_order(page: Page) -> None:
    for tag, name in (("figcaption", "Figure"), ("caption", "Table")):
        found = [int(m.group(1)) for e in page.all(tag) if (m := re.match(rf"{name} (\d+)\.", e.text.strip()))]
        assert found == list(range(1, len(found) + 1))


# --------------------------------------------------------------------------- the style sheet


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_reckoned_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WebAIM's contrast checker: 4.48:1


def test_colours_of_the_theme_contrast() -> None:
    css = (resources.folder("reports") / "theme" / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css)) | {"white": "#ffffff"}
    pairs = [("ink", "white"), ("quiet", "white"), ("accent", "white"), ("deep", "pale"), ("accent", "pale"), ("quiet", "pale"),
             ("ink", "cream"), ("amber", "cream")]  # fmt: skip
    assert {(a, b): round(c, 1) for a, b in pairs if (c := contrast(colours[a], colours[b])) < 4.5} == {}


def test_colours_of_the_figures_contrast() -> None:
    from evaluation.report.figures import figure, series

    for colour in (figure.INK, figure.QUIET, figure.PROGRAM, figure.COMPARISON, *series.COLOURS):
        assert contrast(colour, "#ffffff") >= 4.5
    assert contrast(figure.QUIET, figure.SHADE) >= 4.5
