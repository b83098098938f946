"""Does the answer rest on one unit or one cohort? The overall effect with each left out in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.diagnostics.case import Case, as_row, verdict
from evaluation.diagnostics.reassigned import WITH_PLACEBOS
from evaluation.results import Check, Estimate, ResultSet, Sensitivity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evaluation.data.moments import Mask

MOST_CLUSTERS = 60  # beyond, one alone hardly moves the whole


def leave_out(case: Case, names: Sequence[str] = (), *, places: bool = True) -> ResultSet:
    """One cohort and, up to `MOST_CLUSTERS`, one cluster left out in turn; a check where that changes the answer.

    `names` are the clusters' names by code; where they are not given the code stands in. Clusters that are single
    people (units that are no `places` and their own clusters) are never left out: a row of the results would be about
    one person.
    """
    overall = case.overall
    if overall is None or overall.estimate is None:
        return ResultSet()
    cohorts = tuple(_cohorts(case))
    single_people = not places and case.panel.clustered_by_unit
    clusters = () if single_people else tuple(_clusters(case, names))
    return ResultSet(sensitivity=(*cohorts, *clusters), checks=(*_judged(overall, cohorts, "cohort"),
                                                               *_judged(overall, clusters, "unit")))  # fmt: skip


def _without(case: Case, gone: Mask) -> Estimate | None:
    """The effect without some rows; its counts tell also how many units are gone, since the difference does."""
    import numpy as np

    keep = np.broadcast_to(~gone[:, None], case.moments.counts.shape)
    left = case.moments.restricted(keep, case.moments.cohort)
    found = None if left is None else case.again(left)
    if found is None:
        return None
    return replace(found, counts=(*found.counts, int(case.moments.units[gone].sum())))


def _cohorts(case: Case) -> Iterator[Sensitivity]:
    import numpy as np

    moments = case.moments
    inside = (moments.cohort > moments.times[0]) & (moments.cohort <= moments.times[-1])
    treated = np.unique(moments.cohort[inside]).tolist()
    for g in treated if len(treated) > 1 else ():
        label = f"Without the cohort that began in {g}"
        yield _row("leave_one_cohort", label, case, moments.cohort == g, str(g))


def _row(kind: str, label: str, case: Case, gone: Mask, group: str) -> Sensitivity:
    """The effect without some rows; a row that says so where there is none."""
    found = _without(case, gone)
    if found is not None:
        return as_row(kind, label, found, group)
    return Sensitivity(kind, label, group, status="not_estimable", counts=(int(case.moments.units[gone].sum()),))


def _clusters(case: Case, names: Sequence[str]) -> Iterator[Sensitivity]:
    import numpy as np

    names = getattr(case.moments, "names", names)  # moments of single units name these
    codes = np.unique(case.moments.cluster).tolist()
    if case.moments.cross is not None or not 2 < len(codes) <= MOST_CLUSTERS:
        return
    for code in codes:
        name = names[code] if names else str(code)
        row = _row("leave_one_unit", f"Without {name}", case, case.moments.cluster == code, name)
        if row.status == "ok" or case.estimator.id not in WITH_PLACEBOS:  # these are about the one unit that is treated
            yield row


def _judged(overall: Estimate, rows: Sequence[Sensitivity], what: str) -> tuple[Check, ...]:
    if not rows:
        return ()
    values = [r.estimate for r in rows if r.estimate is not None]
    lost = [r for r in rows if r.estimate is None]
    counts = tuple(sorted({*overall.counts, *(n for r in rows for n in r.counts)}))
    if lost:
        message = f"{lost[0].label} there is no answer: the effect rests on {'it' if len(lost) == 1 else 'few'} alone."
        return (Check(f"leave_one_{what}", "warn", message, term="att", group=lost[0].group, counts=counts),)
    low, high = min(values), max(values)
    turned = [r for r in rows if verdict(r) != verdict(overall)]
    span = f"between {low:.3g} and {high:.3g}"
    if not turned:
        message = f"With any one {what} left out, the effect stays {span} and the conclusion the same."
    else:
        first = turned[0]
        message = (
            f"The conclusion depends on single {what}s: with any one left out the effect lies {span}, and "
            f"{len(turned)} of {len(rows)} would change what is concluded ({first.label[0].lower()}{first.label[1:]}, "
            "for one)."
        )
    widest = max(rows, key=lambda r: abs((r.estimate or 0.0) - (overall.estimate or 0.0)))
    return (Check(f"leave_one_{what}", "warn" if turned else "pass", message, term="att", group=widest.group,
                  statistic=widest.estimate, counts=counts),)  # fmt: skip
