"""What a report may read: the released results of one run, its study file and its provenance. Nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evaluation.errors import Problem, ReportError
from evaluation.report import calendar, words
from evaluation.report.numbers import shortened
from evaluation.results import MAIN_TERMS, Row, read_tables
from evaluation.study.models import CohortDesign, PanelDesign, Study

_QUOTED = re.compile(r'"(\w+)"|`([^`]+)`')
_PERIOD = re.compile(
    r'(?P<quoted>"[^"]*")|\bat (?P<since>-?\d+) periods? since adoption|\bat period (?P<at>\d+(?:\.\d+)?)'
    r"|(?<!base )(?<!reference )\b(?P<word>[Pp]eriod)(?P<plural>s?)\b"
)
# Where messages name a period or an adoption group by its number alone, which says enough of years only.
_NUMBERED = re.compile(
    r"(?P<lead>\bbegan in |\bboth in |\bbase period |\bfurthest in |^In |\bafter (?=\d+, the first)|\btreated from )"
    r"(?P<number>\d+)(?![\d.%])|(?P<cohort>\b[Cc]ohort )(?P<start>\d+)\b"
)
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w| )")
HIDDEN_MESSAGE = "Hidden by disclosure control"  # how the message of a hidden check begins


@dataclass(frozen=True)
class Released:
    """The released tables of a run beside the study they answer, with the names a reader knows them by."""

    study: Study
    tables: dict[str, list[Row]]
    provenance: dict[str, Any]
    removed_since: tuple[dict[str, Any], ...] = ()  # removals from the store after the run

    def rows(self, table: str, /, **match: Any) -> list[Row]:
        """Rows of a table whose columns equal `match`, in the table's order."""
        among = (
            self._of_analysis.get((table, match["analysis"]), []) if "analysis" in match else self.tables.get(table, [])
        )
        return [r for r in among if all(r[k] == v for k, v in match.items())]

    @cached_property
    def _of_analysis(self) -> dict[tuple[str, str], list[Row]]:
        """The rows of each table by analysis: they are asked for often, and tables can be long."""
        found: dict[tuple[str, str], list[Row]] = {}
        for name, rows in self.tables.items():
            for row in rows:
                found.setdefault((name, row.get("analysis") or ""), []).append(row)
        return found

    @property
    def panel(self) -> PanelDesign | None:
        """The design of a panel study, else None."""
        return self.study.design if isinstance(self.study.design, PanelDesign) else None

    @property
    def cohort(self) -> CohortDesign | None:
        """The design of a cohort study, else None."""
        return self.study.design if isinstance(self.study.design, CohortDesign) else None

    @property
    def randomised(self) -> bool:
        """Whether people were assigned to the groups by chance."""
        return self.cohort is not None and self.cohort.assignment == "randomised"

    @property
    def simulated(self) -> bool:
        """Whether the data were made by a computer."""
        return self.planted is not None

    @property
    def planted(self) -> float | None:
        """The true effect in simulated data, by the study file or by what the data say of themselves."""
        if self.study.simulation is not None:
            return self.study.simulation.effect
        planted = self.provenance.get("planted_effect")
        return None if planted is None else float(planted)

    @property
    def date(self) -> str:
        """The day of the run, `YYYY-MM-DD`; empty where provenance holds none."""
        return str(self.provenance.get("times", {}).get("finished", ""))[:10]

    # ------------------------------------------------------------------ names

    @cached_property
    def _analysis_names(self) -> dict[str, str]:
        labels = {a.id: a.label or words.named(words.ESTIMATORS, a.estimator) for a in self.study.analyses}
        shared = Counter(labels.values())
        outcomes = {a.id: self.study.outcome(a.outcome).label for a in self.study.analyses}
        if len(set(outcomes.values())) > 1:
            labels = {k: f"{v}: {outcomes[k]}" if shared[v] > 1 else v for k, v in labels.items()}
            shared = Counter(labels.values())
        seen: Counter[str] = Counter()
        for key, label in labels.items():
            seen[label] += 1
            labels[key] = f"{label} ({seen[label]})" if shared[label] > 1 else label
        return labels

    def analysis(self, identifier: str) -> str:
        """What the report calls an analysis; the study as a whole where the id is empty."""
        return self._analysis_names.get(identifier) or words.named(words.ESTIMATORS, identifier) or "Whole study"

    def outcome(self, identifier: str) -> str:
        """The label of an outcome."""
        return next((o.label for o in self.study.outcomes if o.id == identifier), words.plain(identifier))

    @property
    def program(self) -> str:
        """The name of the program."""
        return self.study.intervention.name

    @property
    def people(self) -> str:
        """Plural noun for whom the study is about."""
        return self.cohort.people_label if self.cohort else self.study.design.unit_label  # type: ignore[union-attr]

    def group(self, identifier: str) -> str:
        """`treated`, `control`, `all`, `cohort:1983` or a cohort's number as the report calls them."""
        if self.cohort:
            names = {"treated": "program group", "control": "comparison group", "all": "everyone"}
            return names.get(identifier) or self.study.label(identifier)
        names = {
            "treated": f"adopting {self.people}",
            "control": f"comparison {self.people}",
            "all": f"all {self.people}",
        }
        if identifier in names:
            return names[identifier]
        start = identifier.removeprefix("cohort:")
        try:
            return f"adopted in {self.period(float(start))}"
        except ValueError:
            return words.plain(identifier)

    @property
    def time_unit(self) -> str:
        """Singular unit of follow-up time or of the panel's periods."""
        return self.study.design.time_unit

    def period(self, value: float) -> str:
        """A calendar period: `1983` for years, `2019 Q3` or `March 2020` where dates are known, else `quarter 12`."""
        return calendar.period(self.panel, value) if self.panel else f"{self.time_unit} {value:.12g}"

    @property
    def dated(self) -> bool:
        """Whether the panel's periods are numbers that stand for dates."""
        return self.panel is not None and calendar.dated(self.panel)

    def span(self, time: float) -> str:
        """A length of time: `52 weeks`."""
        return words.counted(time, self.time_unit)

    def term(self, row: Row) -> str:
        """What an estimate is of, in words, with its group and time."""
        term, group, time = row["term"], row["group"], row["time"]
        name = words.TERMS.get(term) or words.upper_first(self.study.label(term))
        if term == "event" and time is not None:
            return self.since_adoption(time)
        if term == "group_time" and time is not None:
            return f"{words.upper_first(self.group(group))}, effect in {self.period(time)}"
        if term in {"group", "calendar"}:
            place = self.group(group) if group else self.period(time) if time is not None else name
            return words.upper_first(place)
        if term == "weight" and group:
            return f"{name}, {group}"
        where = [self.group(group)] if group else []
        if time is not None:
            where.append(f"within {self.span(time)}" if self.cohort else f"in {self.period(time)}")
        return ", ".join([name, *where])

    def since_adoption(self, event_time: float) -> str:
        """`3 years before adoption`, `Period of adoption`, `2 years after adoption`."""
        if event_time == 0:
            return f"{words.upper_first(self.time_unit)} of adoption"
        return f"{words.counted(abs(event_time), self.time_unit)} {'before' if event_time < 0 else 'after'} adoption"

    @cached_property
    def _columns(self) -> frozenset[str]:
        found = set(self.study.labels) | {r["column"] for r in self.rows("data_quality")}
        return frozenset(found | {r["covariate"] for r in self.rows("baseline")})

    def mid(self, text: str) -> str:
        """A name from the study for the middle of a sentence: its capital stays where the study's prose keeps it."""
        first = words.FIRST_WORD.match(text)
        kept = first is not None and re.search(rf"[a-z,;] {re.escape(first.group())}\b", self._own_prose)
        return text if kept else words.lower_first(text)

    @cached_property
    def _own_prose(self) -> str:
        about = self.study.intervention
        return " ".join((self.study.question, about.description, about.comparison or ""))

    def prose(self, text: str) -> str:
        """A message from the run as a reader should meet it: columns and options by their names, short numbers,
        the study's unit of time for its periods."""

        def name(match: re.Match[str]) -> str:
            word = match.group(1) or match.group(2)
            if word in self._columns:
                return self.study.label(word)
            return words.plain(word) if word.isidentifier() else word.replace("_", " ")

        timed = _PERIOD.sub(self._timed, _NUMBERED.sub(self._numbered, text)) if self.panel else text
        return _APOSTROPHE.sub("’", shortened(_QUOTED.sub(name, timed))).strip()

    def _numbered(self, match: re.Match[str]) -> str:
        """A period or adoption group that a message gives by number, by its name."""
        if self.time_unit == "year":
            return match.group()
        if match["cohort"]:
            return f"{match['cohort']}of {self.period(float(match['start']))}"
        lead = match["lead"].replace("base period ", "base ")
        return f"{lead}{self.period(float(match['number']))}"

    def _timed(self, match: re.Match[str]) -> str:
        """What a message calls a period, in the study's unit of time; quoted labels stay as they are."""
        if match["quoted"]:
            return match.group()
        if match["since"]:
            return words.lower_first(self.since_adoption(float(match["since"])))
        if match["at"]:
            return f"in {self.period(float(match['at']))}"
        unit = self.time_unit
        return (words.upper_first(unit) if match["word"][0] == "P" else unit) + match["plural"]

    # ------------------------------------------------------------------ reasons and reliability

    @cached_property
    def unreliable(self) -> frozenset[str]:
        """Adoption groups (as the tables write them) that a `small_cohort` check flags."""
        return frozenset(str(r["group"]).removeprefix("cohort:") for r in self._small if r["group"])

    @cached_property
    def _small(self) -> list[Row]:
        return self.rows("diagnostics", check="small_cohort")

    def is_unreliable(self, group: str, analysis: str = "", term: str = "", time: float | None = None) -> bool:
        """Whether a figure rests on a flagged adoption group, or is itself flagged by its analysis, term and time."""
        if group and group.removeprefix("cohort:") in self.unreliable:
            return True
        flagged = (r for r in self._small if not r["group"] and r["time"] is not None)
        return bool(term) and any((r["analysis"], r["term"], r["time"]) == (analysis, term, time) for r in flagged)

    def reason(self, row: Row) -> str:
        """Why an estimate has no figure, in words."""
        if row["status"] == "suppressed":
            return "too few people to show without risk to someone’s privacy"
        if row["status"] == "gated":
            return "a check of the data or the method failed"
        checks = self.rows("diagnostics", analysis=row["analysis"], check="not_estimable")
        exact = [c for c in checks if c["term"] == row["term"] and c["time"] == row["time"]]
        same_time = [c for c in checks if c["time"] == row["time"]]
        found = next(iter(exact or same_time or checks), None)
        return self.prose(found["message"]) if found else "the data hold no valid comparison"


def is_hidden(check: Row) -> bool:
    """Whether disclosure control hid what a check found."""
    return check["status"] == "suppressed" or (check["message"] or "").startswith(HIDDEN_MESSAGE)


def main_row(released: Released, analysis: str, term: str = "") -> Row | None:
    """The row an analysis is judged by: its one overall effect, at its window or the longest one with a figure.

    Rows with a figure come before rows without; None where the analysis has no such term at all.
    """
    wanted = (term,) if term else MAIN_TERMS
    for name in wanted:
        found = released.rows("estimates", analysis=analysis, term=name)
        if found:
            return max(found, key=lambda r: (r["status"] == "ok", r["time"] if r["time"] is not None else 0.0))
    return None


def open_run(run_dir: Path) -> Released:
    """Read a run's released results.

    Raises
    ------
    EvaluationError
        Where the folder holds no results, its copy of the study file is missing, or one of its files is damaged.
    """
    results = run_dir / "results"
    needed = [results / "study.yaml", results / "estimates.csv"]
    missing = [p for p in needed if not p.is_file()]
    if missing:
        raise ReportError(
            Problem(
                str(run_dir),
                "",
                f"no results of a run lie here ({missing[0].name} is missing).",
                "Run the study first.",
            )
        )
    provenance = _provenance(results / "provenance.json")
    removed = _removed(results / "removed_since.json")
    return Released(_study(results / "study.yaml"), read_tables(results), provenance, removed)


def _provenance(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _damaged(f"{path}{line}") from None
    if not isinstance(known, dict) or not isinstance(known.get("times", {}), dict):
        raise _damaged(str(path))
    return known


def _removed(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file():
        return ()
    try:
        return tuple({"day": str(one["day"])} for one in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError):
        raise _damaged(str(path)) from None


def _damaged(where: str) -> ReportError:
    fix = "It was changed after the run: run the study again."
    return ReportError(Problem(where, "", "this is not the record that a run writes.", fix))


def _study(path: Path) -> Study:
    """The study of a run's own copy of its file, which the run has checked: only its form is read here."""
    from pydantic import ValidationError

    from evaluation.study.document import read_document

    document, _ = read_document(path)
    try:
        return Study.model_validate(document.raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReportError(Problem(str(path), key, first["msg"], "Run the study again with this version.")) from None
