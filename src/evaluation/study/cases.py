"""Hand-made cases of a study: people, or units, with what the builder is to make of them.

They lie beside the study file, in `<study>/cases.yaml`; what their words mean is judged by `evaluation.run.assure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from evaluation.errors import Problem, StudyError
from evaluation.study.building import Day, Name
from evaluation.study.cohort_building import Reason
from evaluation.study.document import Document, in_file_order, read_document

if TYPE_CHECKING:
    from evaluation.study.models import Study

Row = dict[Name, Any]


class Part(BaseModel):
    """Base of the parts: frozen, strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Case(Part):
    """One person, or one unit of a panel, alone in the world."""

    case: Reason = Field(description="what the case shows, in one sentence")
    rows: dict[Name, list[Row]] = {}  # by table; the person's, or the unit's, own name may be left out
    expect: Row | Annotated[list[Row], Field(min_length=1)] = Field(
        description="what is expected of the row, or of each row, such as {arm: 1}, or {left_out: REASON}"
    )
    as_of: Day | None = None  # default: the study's
    variant: dict[Name, Any] = {}  # keys of the study file with other values, such as design.crossover: exclude


class Cases(Part):
    """The file of cases. Its own `as_of` keeps them as they are when later data are delivered."""

    as_of: Day | None = None  # default: the study's
    cases: Annotated[list[Case], Field(min_length=1)] = Field(description="a list of cases")


@dataclass(frozen=True)
class CaseFile:
    """Cases with their places in the file."""

    document: Document
    cases: tuple[Case, ...]


def cases_of(study: Path) -> Path:
    """Where the cases of a study file lie."""
    return study.parent / study.stem / "cases.yaml"


def read_cases(study: Path) -> CaseFile:
    """The cases beside a study file.

    Raises
    ------
    StudyError
        When there are none, or with every problem of their file.
    """
    from pydantic import ValidationError

    from evaluation.study.explain import explain

    path = cases_of(study)
    if not path.exists():
        what = "there are no hand-made cases of this study."
        raise StudyError(Problem(str(path), "", what, "Write them there; docs/assure.md shows how."))
    document, problems = read_document(path)
    try:
        found = Cases.model_validate(document.raw)
    except ValidationError as error:
        told = explain(document, error.errors(include_url=False), Cases)
        raise StudyError(*in_file_order([*problems, *told])) from None
    if problems:
        raise StudyError(*in_file_order(problems))
    dated = [c.model_copy(update={"as_of": c.as_of or found.as_of}) for c in found.cases]
    return CaseFile(document, tuple(dated))


# --------------------------------------------------------------------------- variants


def varied(study: Document, cases: Document, place: int, case: Case) -> Study:
    """The study as a case has it: with another `as_of`, and other values of the keys in its `variant`.

    Keys are dotted, and outcomes are called by their ids: `outcomes.rearrest.lag`.

    Raises
    ------
    StudyError
        When a key leads nowhere, or the study would be wrong with its value; told at the case's line.
    """
    from copy import deepcopy
    from dataclasses import replace

    from pydantic import ValidationError

    from evaluation.study.models import Study
    from evaluation.study.rules import broken

    raw = deepcopy(study.raw)
    for key, value in case.variant.items():
        if not _put(raw, key.split("."), deepcopy(value)):
            what = f'there is no "{key}" in the study file to be varied.'
            fix = "Write it like design.clean_window, or outcomes.OUTCOME.lag."
            raise StudyError(cases.problem(("cases", place, "variant", key), what, fix, of_key=True))
    if case.as_of is not None and isinstance(raw.get("data"), dict):
        raw["data"]["as_of"] = case.as_of
    loc = ("cases", place, "variant" if case.variant else "as_of")
    try:
        made = Study.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise StudyError(cases.problem(loc, f"makes the study wrong at {key}: {first['msg']}.")) from None
    wrong = [p for p in broken(replace(study, raw=raw)) if p.severity == "error"]
    if wrong:
        raise StudyError(*(cases.problem(loc, f"makes the study wrong at {p.key}: {p.what}", p.fix) for p in wrong))
    return made


def _put(raw: Any, parts: list[str], value: Any) -> bool:
    """Put a value in its place, making mappings that are not there yet; False where the way leads nowhere."""
    for i, part in enumerate(parts[:-1]):
        inner = (
            next((e for e in raw if isinstance(e, dict) and e.get("id") == part), None)
            if isinstance(raw, list)
            else None
        )
        if isinstance(raw, dict):
            if i == 0 and part not in raw:
                return False
            inner = raw.setdefault(part, {})
        if not isinstance(inner, (dict, list)):
            return False
        raw = inner
    if isinstance(raw, dict):
        raw[parts[-1]] = value
    return isinstance(raw, dict)
