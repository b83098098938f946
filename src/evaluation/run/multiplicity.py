"""Several questions in one study: p-values of the headline estimates adjusted for one another.

The family is the study's confirmatory part, one estimate for each outcome and, where people are followed, each window:
the headline of its primary analysis or, where that has none, of its first secondary one. Further analyses of the same
outcome and window ask the same question again, and so does one estimate for the whole follow-up beside windows that are
tested; sensitivity and exploratory analyses ask none of their own: counting them would punish whoever looks twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evaluation.results import MAIN_TERMS, Estimate, Inference, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.run.tables import Finished

ROLES = ("primary", "secondary")


@dataclass(frozen=True)
class _Headline:
    """The estimate an analysis is judged by, and how its uncertainty was reckoned."""

    done: Finished
    estimate: Estimate
    inference: Inference

    @property
    def p_value(self) -> float:
        assert self.estimate.p_value is not None  # noqa: S101 - headlines have one
        return self.estimate.p_value

    def row(self, method: str, p_value: float, distribution: str | None = None) -> Inference:
        """The adjusted p-value under the estimate's key; it has no standard error or interval of its own."""
        shown = replace(self.inference, method=method, p_value=p_value, std_error=None, conf_low=None, conf_high=None,
                        small_sample_factor=None)  # fmt: skip
        return replace(shown, distribution=distribution, df=None, df_rule="") if distribution else shown


def adjusted(finished: list[Finished]) -> list[Finished]:
    """The analyses, those of the family with Holm, Benjamini-Hochberg and, where possible, Romano-Wolf p-values.

    Nothing is added where fewer than two outcomes or windows have a p-value. Romano-Wolf needs each cluster's influence
    on every headline (`ResultSet.influence`).
    """
    from threadpoolctl import threadpool_limits

    family = _family(finished)
    if len(family) < 2:
        return finished
    with threadpool_limits(limits=1):  # the draws are the same however many threads there are
        rows = _rows(family)
    added: dict[str, list[Inference]] = {}
    for headline, own in zip(family, rows, strict=True):
        added.setdefault(headline.done.analysis.id, []).extend(own)
    return [
        replace(d, results=d.results + ResultSet(inference=tuple(added[d.analysis.id])))
        if d.analysis.id in added
        else d
        for d in finished
    ]


def _family(finished: Sequence[Finished]) -> list[_Headline]:
    """One headline an outcome and window, primary before secondary, otherwise in the order of the study file."""
    found: dict[tuple[str, float | None], _Headline] = {}
    for done in sorted(finished, key=lambda d: d.analysis.role != "primary"):
        for headline in _headlines(done):
            found.setdefault((done.analysis.outcome, headline.estimate.time), headline)
    windowed = {outcome for outcome, time in found if time is not None}
    return [h for (outcome, time), h in found.items() if time is not None or outcome not in windowed or _leads(h)]


def _leads(headline: _Headline) -> bool:
    return headline.done.analysis.role == "primary"


def _headlines(done: Finished) -> list[_Headline]:
    """The overall effect, or that at each window; none without a p-value."""
    if done.analysis.role not in ROLES:
        return []
    known = [e for e in done.results.estimates if e.status == "ok" and e.p_value is not None and e.group == ""]
    of_term = next((found for term in MAIN_TERMS if (found := [e for e in known if e.term == term])), [])
    pairs = ((e, _inference(done, e)) for e in of_term)
    return [_Headline(done, estimate, inference) for estimate, inference in pairs if inference is not None]


def _inference(done: Finished, estimate: Estimate) -> Inference | None:
    key = (estimate.term, estimate.group, estimate.time)
    return next((i for i in done.results.inference if (i.term, i.group, i.time) == key), None)


def _rows(family: Sequence[_Headline]) -> list[tuple[Inference, ...]]:
    """Each headline's adjusted p-values."""
    import numpy as np

    from evaluation.inference.multiple_testing import benjamini_hochberg, holm

    p = np.array([h.p_value for h in family])
    over = f"adjustment over {_asked(family)}"
    columns = [
        [h.row(f"Holm {over}", float(v)) for h, v in zip(family, holm(p), strict=True)],
        [h.row(f"Benjamini-Hochberg {over}", float(v)) for h, v in zip(family, benjamini_hochberg(p), strict=True)],
        *_stepdown(family, f"Romano-Wolf {over}"),
    ]
    return list(zip(*columns, strict=True))


def _asked(family: Sequence[_Headline]) -> str:
    """What the family is made of: `3 outcomes`, `4 windows` or `6 outcomes by window`."""
    outcomes = len({h.done.analysis.outcome for h in family})
    if outcomes == len(family):
        return f"{outcomes} outcomes"
    return f"{len(family)} windows" if outcomes == 1 else f"{len(family)} outcomes by window"


def _stepdown(family: Sequence[_Headline], method: str) -> list[list[Inference]]:
    """The Romano-Wolf column; none where a headline's influence is not known."""
    import numpy as np

    from evaluation.inference.multiple_testing import joint_influence, romano_wolf

    known = [h.done.results.influence for h in family]
    influences = [i for i in known if i is not None]
    ratios = [h.estimate.estimate / h.estimate.std_error for h in family
              if h.estimate.estimate is not None and h.estimate.std_error]  # fmt: skip
    if len(influences) < len(family) or len(ratios) < len(family):
        return []
    found = romano_wolf(np.array(ratios), joint_influence(influences))
    return [[h.row(method, float(v), "bootstrap") for h, v in zip(family, found, strict=True)]]
