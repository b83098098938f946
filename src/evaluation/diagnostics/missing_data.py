"""Characteristics that are not recorded: for how many people, in which arm, and what the analysis does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.diagnostics.cohort import CohortCase

FEW = 0.05  # share of people left out for a missing value below which little can go wrong
APART = 0.05  # difference of that share between the arms above which the arms are left out unlike
MOST_PATTERNS = 5


@dataclass(frozen=True)
class Missing:
    """People by which characteristics they lack: `patterns` are (names lacking, treated, comparison), most first."""

    patterns: tuple[tuple[tuple[str, ...], int, int], ...]

    @property
    def people(self) -> tuple[int, int]:
        """Treated and comparison people with arm, time and event known."""
        return sum(t for _, t, _ in self.patterns), sum(c for _, _, c in self.patterns)

    def without(self, name: str = "") -> tuple[int, int]:
        """Treated and comparison people who lack `name`, or any characteristic."""
        of = [p for p in self.patterns if (name in p[0] if name else p[0])]
        return sum(t for _, t, _ in of), sum(c for _, _, c in of)

    @property
    def share(self) -> float:
        """Share of people who lack a characteristic."""
        return sum(self.without()) / max(1, sum(self.people))


def missing(cohort: Cohort, covariates: list[str]) -> Missing:
    """The patterns of missing values of `covariates` among people of whom arm, time and event are known."""
    value = cohort.source.value
    needed = [c for c in (cohort.arm, cohort.time, cohort.event, cohort.cluster, cohort.weights) if c]
    flags = [f"{value(c)} IS NULL" for c in covariates]
    listed = ", ".join(f"{flag} AS m{j}" for j, flag in enumerate(flags))
    names = ", ".join(f"m{j}" for j in range(len(flags)))
    rows = cohort.source.query(
        f"SELECT {names}, count(*) FILTER (a = 1), count(*) FILTER (a = 0) FROM (SELECT CAST({value(cohort.arm)} AS "
        f"INTEGER) AS a, {listed} FROM {cohort.source.scan} WHERE "
        f"{' AND '.join(f'{value(c)} IS NOT NULL' for c in needed)}) GROUP BY {names}"
    )
    found = [
        (tuple(c for c, gone in zip(covariates, row, strict=False) if gone), int(row[-2]), int(row[-1])) for row in rows
    ]
    return Missing(tuple(sorted(found, key=lambda p: (-p[1] - p[2], p[0]))))


def missing_data(case: CohortCase) -> ResultSet:
    """What the analysis leaves out for missing characteristics, in all and by characteristic, and the commonest
    patterns; nothing where the analysis adjusts for none."""
    if not case.covariates:
        return ResultSet()
    found = missing(case.cohort, case.covariates)
    if not all(found.people):
        return ResultSet()
    if not sum(found.without()):
        message = "Everyone has a value of every characteristic that the analysis adjusts for."
        return ResultSet(checks=(Check("missing_data", "pass", message, statistic=0.0, threshold=FEW),))
    single = [_of_one(found, name) for name in case.covariates if sum(found.without(name))]
    return ResultSet(checks=(_overall(found), *single, _patterns(found)))


def _shares(found: Missing, lacking: tuple[int, int]) -> tuple[float, float]:
    treated, control = (k / n for k, n in zip(lacking, found.people, strict=True))
    return treated, control


def _overall(found: Missing) -> Check:
    lacking = found.without()
    treated, control = _shares(found, lacking)
    apart = abs(treated - control) > APART
    status: Literal["pass", "warn"] = "warn" if found.share > FEW or apart else "pass"
    message = (
        f"{found.share:.1%} of the people ({treated:.1%} of the treated, {control:.1%} of the comparison) lack a "
        "characteristic that the analysis adjusts for, and are left out of it (complete cases)."
    )
    if status == "warn":
        message += " If they differ from the others in ways that matter, the result is theirs and not everyone's."
    counts = (*lacking, *(n - k for n, k in zip(found.people, lacking, strict=True)))
    return Check("missing_data", status, message, statistic=found.share, threshold=FEW, counts=counts)


def _of_one(found: Missing, name: str) -> Check:
    lacking = found.without(name)
    treated, control = _shares(found, lacking)
    share = sum(lacking) / sum(found.people)
    message = (
        f"Not recorded for {share:.1%} of the people: {treated:.1%} of the treated, {control:.1%} of the comparison."
    )
    return Check("missing_covariate", "info", message, group=name, statistic=share, counts=lacking)


def _patterns(found: Missing) -> Check:
    whole = sum(found.people)
    shown = [p for p in found.patterns if p[0]][:MOST_PATTERNS]
    listed = "; ".join(f"{' and '.join(names)}: {(t + c) / whole:.1%}" for names, t, c in shown)
    more = "the commonest of them are " if len(shown) < sum(bool(p[0]) for p in found.patterns) else ""
    message = f"What people lack together, {more}{listed}." if more else f"What people lack together: {listed}."
    counts = tuple(n for _, t, c in shown for n in (t, c))
    return Check("missing_patterns", "info", message, statistic=float(len(found.patterns)), counts=counts)
