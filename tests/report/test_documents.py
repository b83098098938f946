"""The source project: the language both renderers read, equal bytes, and refusals that say what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from evaluation import resources
from evaluation.errors import ReportError
from evaluation.report import quarto
from evaluation.report.markdown import NOTHING, Table, bullets, escape, paragraphs
from evaluation.report.render import render
from evaluation.report.resolve import read_yaml, resolve
from evaluation.report.write import write

from .case_experiment import experiment
from .case_panel import panel
from .case_simulated import simulated
from .conftest import CASES

TEMPLATES = sorted(resources.folder("reports").glob("*.qmd"))
DIVS = {".headline", '.content-visible when-format="html"'}


def test_there_are_three_documents() -> None:
    assert [p.stem for p in TEMPLATES] == ["appendix", "brief", "full"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_documents_keep_to_what_both_renderers_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    shortcodes = re.findall(r"\{\{<\s*(\w+)\s+(\S+)\s*>\}\}", text)
    assert len(shortcodes) == text.count("{{<")
    assert {name for name, _ in shortcodes} <= {"var", "include"}
    assert all(re.fullmatch(r"(_includes|tables)/\w+\.md", target) for name, target in shortcodes if name == "include")
    assert set(re.findall(r"^:{3,} \{(.*)\}$", text, re.MULTILINE)) <= DIVS
    assert "```" not in text
    assert not re.search(r"^# ", text, re.MULTILINE), "the title is the first heading"
    includes = re.findall(r"^(.*)\{\{< include .*?>\}\}(.*)$", text, re.MULTILINE)
    assert all(before == after == "" for before, after in includes), "Quarto reads an include on a line of its own only"


def test_generated_parts_keep_to_it_too(rendered: Path) -> None:
    source = rendered / "report" / "source"
    for path in [*(source / "_includes").glob("*.md"), *(source / "tables").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert "{{<" not in text
        kinds = set(re.findall(r"^:{3,} \{(.*?)[\s}]", text, re.MULTILINE))
        assert kinds <= {".content-visible", ".callout-warning"}, path.name


def test_the_project_is_whole_and_free_of_code(rendered: Path) -> None:
    source = rendered / "report" / "source"
    wanted = {"_quarto.yml", "_study.yml", "_variables.yml", "brief.qmd", "full.qmd", "appendix.qmd", "theme", "filters",
              "figures", "tables", "_includes"}  # fmt: skip
    assert {p.name for p in source.iterdir()} == wanted
    assert read_yaml(source / "_quarto.yml")["engine"] == "markdown"
    assert {p.suffix for p in source.rglob("*") if p.is_file()} <= {
        ".yml", ".qmd", ".md", ".svg", ".png", ".csv", ".typ", ".html", ".css", ".docx", ".lua"}  # fmt: skip


def test_every_include_has_its_file_and_every_file_its_include(rendered: Path) -> None:
    source = rendered / "report" / "source"
    used = {m for p in TEMPLATES for m in re.findall(r"include (\S+) ", p.read_text(encoding="utf-8"))}
    made = {f"{f}/{p.name}" for f in ("_includes", "tables") for p in (source / f).iterdir()}
    assert used == made


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_same_results_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    made = []
    for attempt in ("one", "two"):
        run = CASES[name]().write(tmp_path / attempt)
        render(write(run), run / "report", ("brief", "full"), ("html", "pdf", "docx"), "pandoc")
        made.append(_bytes(run / "report"))
    assert [k for k in made[0] if made[0][k] != made[1].get(k)] == []


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    run = experiment().write(tmp_path / "run")
    first = _bytes(write(run))
    (run / "report" / "source" / "left_over.md").write_text("old", encoding="utf-8")
    assert _bytes(write(run)) == first


def test_the_study_s_own_words_are_in_the_variables(tmp_path: Path) -> None:
    source = write(experiment().write(tmp_path / "run"))
    values = read_yaml(source / "_variables.yml")
    assert values["study"]["question"].startswith("Does a small weekly payment")
    assert values["run"]["date"] == "January 2, 2026"
    assert read_yaml(source / "_study.yml")["title"] == "Financial aid after prison and rearrest"


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("{{< include _includes/gone.md >}}", "is included but does not exist"),
        ("{{< var study.gone >}}", "is not a variable"),
        ("{{< pagebreak >}}", "is a shortcode this renderer does not know"),
        ("See @fig-gone.", "there is no figure or table fig-gone"),
    ],
)
def test_a_broken_document_is_refused_with_its_place(tmp_path: Path, broken: str, said: str) -> None:
    source = write(panel().write(tmp_path / "run"))
    document = source / "brief.qmd"
    document.write_text(document.read_text(encoding="utf-8") + f"\n{broken}\n", encoding="utf-8")
    with pytest.raises(ReportError, match=said) as caught:
        render(source, tmp_path / "out", ("brief",), ("html",), "pandoc")
    assert caught.value.problems[0].where.endswith("brief.qmd")


@pytest.mark.parametrize(
    ("products", "formats", "renderer", "said"),
    [
        (("briefs",), ("html",), "pandoc", 'there is no product "briefs". There are: brief, full, appendix'),
        (("brief",), ("odt",), "pandoc", 'there is no format "odt"'),
        (("brief",), ("html",), "latex", 'there is no renderer "latex"'),
    ],
)
def test_an_unknown_product_format_or_renderer_is_refused(
    tmp_path: Path, products: tuple[str, ...], formats: tuple[str, ...], renderer: str, said: str
) -> None:
    with pytest.raises(ReportError, match=said):
        render(tmp_path, tmp_path / "out", products, formats, renderer)


def test_a_product_without_a_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="has no document there"):
        render(tmp_path, tmp_path / "out", ("brief",), ("html",), "pandoc")


def test_quarto_asked_for_and_missing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarto.shutil, "which", lambda _: None)
    source = write(simulated().write(tmp_path / "run"))
    with pytest.raises(ReportError, match="--renderer pandoc"):
        render(source, tmp_path / "out", ("brief",), ("html",), "quarto")


def _fake_quarto(folder: Path, version: str, script: str) -> Path:
    path = folder / "quarto"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = "--version" ]; then echo {version}; exit 0; fi\n{script}\n', encoding="utf-8"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("form", "version", "used"),
    [
        ("html", "1.3.450", False),
        ("html", "1.4.0", True),
        ("docx", "1.9.36", True),
        ("pdf", "1.6.39", False),
        ("pdf", "1.10.18", True),
    ],
)
def test_auto_takes_a_quarto_that_is_new_enough_for_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, version: str, used: bool
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    _fake_quarto(bin_folder, version, f'echo "$@" > brief.{form}')
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    source = write(simulated().write(tmp_path / "run"))
    (made,) = render(source, tmp_path / "out", ("brief",), (form,), "auto")
    target = {"pdf": "typst"}.get(form, form)
    assert (made.read_bytes().strip() == f"render brief.qmd --to {target}".encode()) == used
    assert not (source / f"brief.{form}").exists()


def test_what_quarto_says_when_it_fails_reaches_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    _fake_quarto(bin_folder, "1.9.0", "echo 'ERROR: unheard of' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    source = write(simulated().write(tmp_path / "run"))
    with pytest.raises(ReportError, match="unheard of"):
        render(source, tmp_path / "out", ("brief",), ("pdf",), "quarto")


# --------------------------------------------------------------------------- Markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b *c* [d] {e} <f>", r"a\_b \*c\* \[d\] \{e\} \<f\>"),
        ("two\nlines", "two lines"),
        ("- not a list", r"\- not a list"),
        ("1. not a list", r"1\. not a list"),
        ("1.5 stays", "1.5 stays"),
    ],
)
def test_plain_text_is_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_nothing_to_say_is_a_comment() -> None:
    assert paragraphs("", " ") == bullets(["", ""]) == NOTHING


def test_a_table_is_as_wide_as_the_page_and_its_words_fit() -> None:
    lines = Table("x", "Caption", ["Name", "Remaining"], "lr", [["a" * 80, "1"]]).markdown().splitlines()
    left, right = lines[1].strip("|").split("|")
    assert len(lines[1]) > 72
    assert right.endswith("-:")
    assert len(right) >= len("Remaining")
    assert left.startswith(":-")


def test_resolve_takes_the_study_s_metadata_under_the_document_s(tmp_path: Path) -> None:
    source = write(simulated().write(tmp_path / "run"))
    found = resolve(source / "full.qmd")
    assert found.metadata["subtitle"] == "Full report"
    assert found.metadata["simulated"] == "Simulated data"
    assert "{{<" not in found.text


def test_the_templates_are_left_as_they_are(tmp_path: Path) -> None:
    before = _bytes(resources.folder("reports"))
    source = write(simulated().write(tmp_path / "run"))
    shutil.rmtree(source)
    assert _bytes(resources.folder("reports")) == before
