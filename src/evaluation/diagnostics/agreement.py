"""Do the estimators of one outcome agree, and if not, why?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.results import Check, Estimate, ResultSet

FAR = 1.96  # standard errors of the main estimate


@dataclass(frozen=True)
class Answer:
    """What one analysis of the outcome found: its estimator, the overall effect and the checks made of it."""

    estimator: str
    name: str
    results: ResultSet

    @property
    def overall(self) -> Estimate | None:
        """The overall effect on the outcome's own scale."""
        return next((e for e in self.results.estimates
                     if e.term == "att" and e.status == "ok" and e.scale == "level"), None)  # fmt: skip


def agreement(main: Answer, others: Sequence[Answer]) -> tuple[Check, ...]:
    """Whether the other analyses of the same outcome come to what the main one does; nothing where there is none.

    An estimate disagrees when it lies more than 1.96 of the main estimate's standard errors away from it. Estimates
    of one outcome from the same data vary together, so this is a rule of thumb and no test.
    """
    head = main.overall
    compared = [(a, o) for a in others if (o := a.overall) is not None]
    if head is None or head.std_error is None or head.estimate is None or not compared:
        return ()
    counts = tuple(sorted({n for e in (head, *(o for _, o in compared)) for n in e.counts}))
    apart = [(abs((o.estimate or 0.0) - head.estimate) / head.std_error, a, o) for a, o in compared]
    far = sorted((d for d in apart if d[0] > FAR), key=lambda d: -d[0])
    furthest = max(d[0] for d in apart)
    if not far:
        many = f"The {len(compared)} other estimators agree" if len(compared) > 1 else "The other estimator agrees"
        near = "lie" if len(compared) > 1 else "lies"
        message = (
            f"{many} with the main estimate ({head.estimate:.3g}): {'they' if len(compared) > 1 else 'it'} {near} "
            "within 1.96 of its standard errors."
        )
        return (Check("estimators_agree", "pass", message, term="att", statistic=furthest, threshold=FAR,
                      counts=counts),)  # fmt: skip
    named = "; ".join(f"{a.name}: {o.estimate:.3g}{_why(a)}" for _, a, o in far)
    message = (
        f"{len(far)} of the {len(compared)} other estimators disagree{'s' if len(far) == 1 else ''} with the main "
        f"estimate ({head.estimate:.3g}) by more than 1.96 of its standard errors: {named}."
    )
    return (Check("estimators_agree", "warn", message, term="att", statistic=furthest, threshold=FAR,
                  counts=counts),)  # fmt: skip


def _why(answer: Answer) -> str:
    """What the analysis's own checks know of why it might be the one that is off."""
    found = {c.check: c for c in answer.results.checks}
    if "negative_weights" in found and found["negative_weights"].status != "pass":
        return " (it gives some effects a negative weight)"
    if "staggered_adoption" in found:
        return " (it also compares with units already treated)"
    return ""
