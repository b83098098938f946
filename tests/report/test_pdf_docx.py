"""The printed and the Word documents: tagged, described, of the promised length."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from docx import Document
from pypdf import PdfReader

from .cases import Case

PRODUCTS = ("brief", "full", "appendix")
TITLES = {
    "court": "Drug court",
    "experiment": "Financial aid after prison",
    "panel": "Administrative licence revocation",
    "simulated": "Drug court",
}


@pytest.fixture(params=PRODUCTS)
def pdf(rendered: Path, request: pytest.FixtureRequest) -> PdfReader:
    return PdfReader(rendered / "report" / f"{request.param}.pdf")


def test_the_brief_has_two_pages_at_most(rendered: Path) -> None:
    assert len(PdfReader(rendered / "report" / "brief.pdf").pages) <= 2


def test_pdf_is_tagged_and_declares_its_standard(pdf: PdfReader, rendered: Path) -> None:
    root = pdf.trailer["/Root"]
    assert bool(root["/MarkInfo"]["/Marked"])
    assert "/StructTreeRoot" in root
    assert str(root["/Lang"]).startswith("en")
    assert bool(root["/ViewerPreferences"]["/DisplayDocTitle"])
    assert re.search(rb"pdfuaid:part(>|=\")1", root["/Metadata"].get_data())
    assert TITLES[rendered.name] in pdf.metadata["/Title"]


def _elements(node: object) -> list[dict[str, object]]:
    """Every structure element below a node of the structure tree."""
    found = []
    kids = node.get("/K", [])
    for kid in kids if isinstance(kids, list) else [kids]:
        element = kid.get_object() if hasattr(kid, "get_object") else kid
        if isinstance(element, dict) and "/S" in element:
            found += [element, *_elements(element)]
    return found


def test_pdf_figures_have_alternatives_and_tables_headers(pdf: PdfReader) -> None:
    elements = _elements(pdf.trailer["/Root"]["/StructTreeRoot"])
    kinds = [e["/S"] for e in elements]
    images = [e for e in elements if e["/S"] == "/Figure"]
    assert all(re.search(r"\d", str(e["/Alt"])) for e in images)
    if "/Table" in kinds:
        assert "/TH" in kinds
    levels = [int(k[2:]) for k in kinds if re.fullmatch(r"/H\d", k)]
    assert levels[0] == 1
    assert max(b - a for a, b in zip([1, *levels], levels, strict=False)) <= 1


def test_pdf_pages_carry_number_and_banner(pdf: PdfReader, case: Case) -> None:
    n = len(pdf.pages)
    for i, page in enumerate(pdf.pages, 1):
        text = page.extract_text()
        assert f"Page {i} of {n}" in text
        assert ("SIMULATED DATA" in text) == ("simulation" in case.study)


def test_pdf_needs_no_font_of_the_system(pdf: PdfReader) -> None:
    fonts = {f.get_object()["/BaseFont"] for page in pdf.pages for f in page["/Resources"].get("/Font", {}).values()}
    assert all("Libertinus" in str(f) for f in fonts)


# --------------------------------------------------------------------------- Word


@pytest.fixture(params=PRODUCTS)
def docx(rendered: Path, request: pytest.FixtureRequest) -> Path:
    return rendered / "report" / f"{request.param}.docx"


def test_docx_opens_with_headings_and_header(docx: Path, case: Case) -> None:
    document = Document(str(docx))
    styles = [p.style.name for p in document.paragraphs]
    assert "Title" in styles
    assert "Heading 1" in styles
    header = document.sections[0].header.paragraphs[0].text
    assert header.startswith(case.study["title"])
    assert header.endswith("Simulated data") == ("simulation" in case.study)
    assert "Page" in document.sections[0].footer.paragraphs[0].text


def test_docx_pictures_have_alternatives(docx: Path) -> None:
    with zipfile.ZipFile(docx) as archive:
        body = archive.read("word/document.xml").decode("utf-8")
        names = archive.namelist()
    described = re.findall(r'<wp:docPr descr="([^"]*)"', body)
    assert len(described) == body.count("<w:drawing>")
    assert all(re.search(r"\d", d) and len(d) > 60 for d in described)
    assert not [n for n in names if n.endswith(".svg")]


def test_docx_tables_repeat_their_header(docx: Path) -> None:
    with zipfile.ZipFile(docx) as archive:
        body = archive.read("word/document.xml").decode("utf-8")
    assert body.count("<w:tblHeader") == body.count("<w:tbl>")


def test_all_formats_say_the_same(rendered: Path) -> None:
    """The headline's words stand in the page, the print and the Word file alike."""
    report = rendered / "report"
    printed = " ".join(p.extract_text() for p in PdfReader(report / "brief.pdf").pages)
    word = " ".join(p.text for p in Document(str(report / "brief.docx")).paragraphs)
    page = (report / "brief.html").read_text(encoding="utf-8")
    number = re.search(r'class="headline-number">([^<]+)<', page)
    assert number
    for text in (printed, word):
        assert number.group(1) in " ".join(text.split())
