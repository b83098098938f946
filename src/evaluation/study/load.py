"""From a study file to a `Study`, or to every problem in it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation import resources
from evaluation.errors import Problem, StudyError
from evaluation.study.document import Document, in_file_order, read_document

if TYPE_CHECKING:
    from evaluation.study.models import Study


@dataclass(frozen=True)
class StudyFile(Document):
    """A valid study file: its text and positions, the study, and warnings about it."""

    study: Study
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A study file as found: everything wrong in it, and the valid study file where nothing is."""

    document: Document
    problems: tuple[Problem, ...]
    file: StudyFile | None

    def section(self, annotation: Any, *loc: str | int) -> Any:
        """The value at `loc` as `annotation` demands, or None where it does not fit: what can be judged alone."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(annotation).validate_python(self.document.at(loc))
        except ValidationError:
            return None


def load(path: Path) -> StudyFile:
    """The study in the file at `path`.

    Raises
    ------
    StudyError
        With every problem of the file (warnings too), in the order of its lines.
    """
    draft = read(path)
    if draft.file is None:
        raise StudyError(*draft.problems)
    return draft.file


def read(path: Path) -> Draft:
    """The file as found, its problems collected rather than raised.

    Raises
    ------
    StudyError
        When the file cannot be read at all, or is not YAML: then there is one problem.
    """
    from evaluation.study.rules import broken

    document, problems = read_document(path)
    study, wrong = _validated(document)
    found = tuple(in_file_order([*problems, *wrong, *broken(document)]))
    if study is None or any(p.severity == "error" for p in found):
        return Draft(document, found, None)
    return Draft(document, found, StudyFile(**vars(document), study=study, warnings=found))


def _validated(document: Document) -> tuple[Study | None, list[Problem]]:
    from pydantic import ValidationError

    from evaluation.study.cohort_rules import NAMED, from_tables
    from evaluation.study.explain import explain
    from evaluation.study.models import Study

    try:
        return Study.model_validate(document.raw), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    if from_tables(document):  # told by the rules: columns that the builder names
        errors = [e for e in errors if not (e["loc"][0] == "design" and e["loc"][-1] in NAMED)]
    return None, explain(document, errors, Study)


# --------------------------------------------------------------------------- by path or id


def find(study: str) -> Path:
    """The file of a study named by its path, or by its id: in `./studies/`, else among the studies shipped.

    Raises
    ------
    StudyError
        When there is none, with the nearest there is.
    """
    path = Path(study)
    if path.suffix in (".yaml", ".yml") or path.name != study:
        return _at_path(path)
    folders = (Path("studies"), resources.folder("studies"))
    found = next((f / f"{study}.yaml" for f in folders if (f / f"{study}.yaml").is_file()), None)
    if found is None:
        known = sorted({p.stem for f in folders for p in f.glob("*.yaml")})
        raise _missing(f'there is no study "{study}"', study, known)
    return found


def _at_path(path: Path) -> Path:
    if path.is_file():
        return path
    named = path.with_name(path.name + ".yaml") if path.name else path  # `/` and `.` have no name
    if named.is_file():  # studies/per_se_laws, also where a folder of that name stands beside the file
        return named
    if path.is_dir():
        return path  # reading it says what it is
    beside = sorted(str(p) for p in path.parent.glob("*.y*ml"))
    raise _missing(f'there is no study file "{path}"', str(path), beside)


def _missing(what: str, name: str, known: list[str]) -> StudyError:
    from evaluation.study.spelling import hint, listed

    return StudyError(Problem("", "", what + hint(name, known), f"There are: {listed(known)}."))
