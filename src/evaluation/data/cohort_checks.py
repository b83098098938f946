"""What must hold of a cohort's rows before anything is estimated from them; every breach found, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from evaluation.data.engine import DURATION, FLOATS, Source, quoted
from evaluation.errors import Problem, Severity
from evaluation.study.models import CohortDesign

MOST_VALUES = 6  # more different values are no arms or event codes, and might tell people apart


def problems(design: CohortDesign, source: Source, others: Mapping[str, str] | None = None) -> list[Problem]:
    """Everything about the data that does not fit a cohort design. The columns named must exist.

    `others` are covariates that analyses name beside the design's, by the study file's key; they hold numbers.
    `where` is empty and `key` the study file's (`design.arm`). Messages give counts, and values of the arm and of
    event codes only; they never echo a person's id.
    """
    found = list(_types(design, source))
    if found:
        return found
    checks = _Checks(design, source, others or {})
    if not checks.count("true")[0]:
        return [Problem("", "data.path", f"the data have no rows ({source.where}).", "Write one row for each person.")]
    return [*checks.roles(), *checks.arm(), *checks.times(), *checks.events(), *checks.people(), *checks.follow_up(),
            *checks.weights(), *checks.completed(), *checks.covariates(), *checks.windows()]  # fmt: skip


def _plural(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _people(count: int) -> str:
    return _plural(count, "person", "people")


def _types(design: CohortDesign, source: Source) -> Iterator[Problem]:
    """Columns that must hold numbers and do not; the arm is judged by its values."""
    durations = [("design.time", design.time), *([("design.follow_up", design.follow_up)] if design.follow_up else [])]
    durations += [("design.weights", design.weights)] if design.weights else []
    codes = [("design.event", design.event), *((f"design.covariates[{i}]", c) for i, c in enumerate(design.covariates))]
    for key, column in (*durations, *codes):
        kind = source.columns[column]
        if not source.is_number(column) or (kind == "BOOLEAN" and (key, column) in durations):
            held = "time spans (an Arrow duration)" if kind == DURATION else kind
            what = f"the column `{column}` holds {held}, not numbers;"
            yield Problem("", key, what, _type_fix(key, design.time_unit))


def _type_fix(key: str, time_unit: str) -> str:
    if key == "design.event":
        return "write 0 for censored, 1 for the outcome, and other whole numbers for competing events."
    if key == "design.weights":
        return "write how many each person stands for."
    if key.startswith("design.covariates"):
        return "write each category as its own 0/1 column."
    return f"write the number of {time_unit}s since the index date."


@dataclass(frozen=True)
class _Checks:
    """The checks of one cohort, each a set-based query."""

    design: CohortDesign
    source: Source
    others: Mapping[str, str] = field(default_factory=dict)

    def count(self, *conditions: str) -> tuple[int, ...]:
        """How many rows meet each condition."""
        parts = ", ".join(f"count(*) FILTER ({c})" for c in conditions)
        return tuple(int(n) for n in self.source.query(f"SELECT {parts} FROM {self.source.scan}")[0])

    def _missing(self, key: str, column: str) -> Iterator[Problem]:
        (count,) = self.count(f"{self.source.value(column)} IS NULL")
        if count:
            yield _warning(key, f"{_people(count)} without a value in `{column}`.", "They are dropped, and counted.")

    def roles(self) -> Iterator[Problem]:
        """Columns with two roles that exclude each other."""
        design = self.design
        taken = {design.arm: "the arm", design.time: "the time", design.event: "the event"}
        if design.follow_up:
            taken[design.follow_up] = "the follow-up"
        for i, name in enumerate(design.covariates):
            if name in taken:
                what = f"the covariate `{name}` is {taken[name]} as well."
                yield Problem("", f"design.covariates[{i}]", what, "Leave it out of the covariates.")

    def arm(self) -> Iterator[Problem]:
        """The arm holds 0 and 1 (or false and true), and both."""
        column = self.source.value(self.design.arm)
        rows = self.source.query(
            f"SELECT CAST({column} AS VARCHAR), TRY_CAST({column} AS DOUBLE), count(*) FROM {self.source.scan} "
            f"WHERE {column} IS NOT NULL GROUP BY 1, 2 ORDER BY 1 LIMIT {MOST_VALUES + 1}"
        )
        text = self.source.columns[self.design.arm] == "VARCHAR"
        if text or any(number not in (0.0, 1.0) for _, number, _ in rows):
            what = f"the arm `{self.design.arm}` must be 1 (treated) or 0 (comparison); it holds "
            yield Problem("", "design.arm", what + _listed([(v, n) for v, _, n in rows]) + ".",
                          "Code the arm as 0 and 1, or as false and true.")  # fmt: skip
            return
        people = {int(number): n for _, number, n in rows}
        for code, name in ((1, "treated (1)"), (0, "in the comparison (0)")):
            if code not in people:
                what = f"nobody is {name} in `{self.design.arm}`: there is no valid comparison."
                yield Problem("", "design.arm", what, "Both arms need people.")
        yield from self._missing("design.arm", self.design.arm)

    def times(self) -> Iterator[Problem]:
        """Durations are finite and not negative."""
        time = self.source.number(self.design.time)
        negative, infinite = self.count(f"{time} < 0 AND isfinite({time})", f"isinf({time})")
        yield from self._durations("design.time", self.design.time, negative, infinite)
        yield from self._missing("design.time", self.design.time)

    def _durations(self, key: str, column: str, negative: int, infinite: int) -> Iterator[Problem]:
        if negative:
            what = f"{_people(negative)} with a negative duration in `{column}`."
            yield Problem("", key, what, "A duration counts from the index date; correct or leave out these rows.")
        if infinite:
            what = f"{_people(infinite)} with an infinite duration in `{column}`."
            yield Problem("", key, what, "Leave unknown durations empty.")

    def events(self) -> Iterator[Problem]:
        """Event codes are 0, 1 and those declared in `competing`, which declares neither 0 nor 1, nor one twice."""
        codes = list(self.design.competing.values())
        if len(set(codes)) < len(codes) or {0, 1} & set(codes):
            what = "the code of a competing event must be its own, and neither 0 (censored) nor 1 (the outcome)."
            yield Problem("", "design.competing", what, "Give each competing event a whole number from 2 on.")
        declared = sorted({0, 1, *codes})
        event = self.source.number(self.design.event)
        found = self.source.query(
            f"SELECT {event}, count(*) FROM {self.source.scan} WHERE {event} IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        strange = [(f"{code:g}", n) for code, n in found if code not in declared]
        if strange:
            what = f"event codes that are not declared in `{self.design.event}`: {_listed(strange)}."
            fix = "0 is censored, 1 the outcome; declare others, like competing: {death: 2}."
            yield Problem("", "design.event", what, fix)
        elif not any(code == 1 for code, _ in found):
            what = f"nobody has the outcome (code 1) in `{self.design.event}`."
            yield _warning("design.event", what, "Nothing can be compared; is the coding right?")
        yield from self._missing("design.event", self.design.event)

    def people(self) -> Iterator[Problem]:
        """One row a person; every person in a cluster where the design has clusters."""
        if self.design.person:
            column = self.source.value(self.design.person)
            persons = f"SELECT {column} AS p FROM {self.source.scan} WHERE {column} IS NOT NULL"
            repeated = self.source.query(
                f"SELECT count(*) FROM (SELECT count(*) AS n FROM ({persons}) GROUP BY p) WHERE n > 1"
            )[0][0]
            if repeated:
                what = f"{_people(repeated)} with more than one row in the data."
                fix = "A cohort has one row a person: keep the first index date of each."
                yield Problem("", "design.person", what, fix)
            (unknown,) = self.count(f"{column} IS NULL")
            if unknown:
                what = f"{_plural(unknown, 'row')} without an id in `{self.design.person}`."
                yield _warning("design.person", what, "Each is counted as a person of its own.")
        if self.design.cluster:
            yield from self._missing("design.cluster", self.design.cluster)
            clusters = f"SELECT count(DISTINCT {self.source.value(self.design.cluster)}) FROM {self.source.scan}"
            if self.source.query(clusters)[0][0] == 1:
                what = f"everyone is in one cluster (`{self.design.cluster}`), so nothing tells how clusters differ."
                yield Problem("", "design.cluster", what, "Name a column with many clusters, or leave the line out.")

    def follow_up(self) -> Iterator[Problem]:
        """Nobody can be observed for longer than they could be followed."""
        if not self.design.follow_up:
            return
        time, reach = self.source.number(self.design.time), self.source.number(self.design.follow_up)
        below_zero = f"{reach} < 0 AND isfinite({reach})"
        shorter, negative, infinite, unknown = self.count(
            f"{reach} < {time}", below_zero, f"isinf({reach})", f"{reach} IS NULL"
        )
        yield from self._durations("design.follow_up", self.design.follow_up, negative, infinite)
        if shorter:
            what = f"{_people(shorter)} with `{self.design.follow_up}` shorter than `{self.design.time}`."
            fix = "Potential follow-up runs to the data cut-off, so it is never shorter than the time observed."
            yield Problem("", "design.follow_up", what, fix)
        if unknown:
            what = f"{_people(unknown)} without a value in `{self.design.follow_up}`."
            yield _warning("design.follow_up", what, "They are eligible for no window, and counted.")

    def weights(self) -> Iterator[Problem]:
        """Weights are finite and above zero."""
        if not self.design.weights:
            return
        weight = self.source.number(self.design.weights)
        none, endless = self.count(f"{weight} <= 0", f"isinf({weight})")
        if none or endless:
            what = (
                f"{_people(none + endless)} with a weight in `{self.design.weights}` that is not above zero and finite."
            )
            yield Problem("", "design.weights", what, "Leave out those who are not to count.")
        yield from self._missing("design.weights", self.design.weights)

    def completed(self) -> Iterator[Problem]:
        """Who completed the program is said by 0 and 1."""
        column = self.design.completed
        if not column:
            return
        value = f"TRY_CAST({self.source.value(column)} AS DOUBLE)"
        strange, unknown = self.count(
            f"{self.source.value(column)} IS NOT NULL AND coalesce({value} NOT IN (0, 1), true)",
            f"{self.source.value(column)} IS NULL",
        )
        if strange or self.source.columns[column] == "VARCHAR":
            what = f"the column `{column}` must be 1 (completed the program) or 0."
            yield Problem("", "design.completed", what, "Code it as 0 and 1, or as false and true.")
        elif unknown:
            what = f"{_people(unknown)} without a value in `{column}`."
            yield _warning(
                "design.completed", what, "Where completers are described, the treated among them are left out."
            )

    def covariates(self) -> Iterator[Problem]:
        """Missing covariates are said, infinite ones refused."""
        named = {f"design.covariates[{i}]": name for i, name in enumerate(self.design.covariates)}
        for key, name in {**named, **self.others}.items():
            infinite = f"isinf({quoted(name)})" if self.source.columns[name] in FLOATS else "false"
            missing, endless = self.count(f"{self.source.value(name)} IS NULL", infinite)
            if endless:
                what = f"{_people(endless)} with an infinite value in `{name}`."
                yield Problem("", key, what, "Leave unknown values empty.")
            if missing:
                what = f"{_people(missing)} without a value in `{name}`."
                yield _warning(key, what, "Analyses that use it drop them, and count them.")

    def windows(self) -> Iterator[Problem]:
        """Windows that no one, or no one in an arm, is followed for, or that seem to be in another unit."""
        time = self.source.number(self.design.time)
        shortest = self.source.query(f"SELECT min({time}) FILTER ({time} > 0) FROM {self.source.scan}")[0][0]
        if shortest is not None and self.design.windows and shortest > max(self.design.windows):
            what = f"every time in `{self.design.time}` but 0 is longer than the longest window."
            fix = f"Are both in {self.design.time_unit}s? Nobody leaves, or has the outcome, before the windows end."
            yield _warning("design.windows", what, fix)
        column = self.design.follow_up or self.design.time
        arm = f"TRY_CAST({self.source.value(self.design.arm)} AS DOUBLE)"
        longest = self.source.query(
            f"SELECT max({self.source.number(column)}) FILTER ({arm} = 1), "
            f"max({self.source.number(column)}) FILTER ({arm} = 0) FROM {self.source.scan}"
        )[0]
        if None in longest:
            return
        unit = self.design.time_unit
        for window in self.design.windows:
            if window > max(longest):
                what = f"the window {window:g} is longer than the longest follow-up ({max(longest):g} {unit}s)."
                severity: Severity = "error" if self.design.follow_up else "warning"
                yield Problem("", "design.windows", what, "Leave the window out.", severity)
            elif window > min(longest):
                what = f"the window {window:g} is longer than one of the arms is followed ({min(longest):g} {unit}s)."
                yield _warning("design.windows", what, "Nothing can be compared at this window.")


def _listed(values: list[tuple[str, int]]) -> str:
    if len(values) > MOST_VALUES:
        return f"more than {MOST_VALUES} different values"
    return ", ".join(f"{value} ({_people(count)})" for value, count in values) or "nothing"


def _warning(key: str, what: str, fix: str) -> Problem:
    return Problem("", key, what, fix, "warning")
