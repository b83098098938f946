"""How an analysis reckons uncertainty, and the pair of rows each figure makes: the estimate and its inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.inference.intervals import wald
from evaluation.results import Check, Estimate, Inference

if TYPE_CHECKING:
    from evaluation.inference.covariance import JointTest

ENOUGH_CLUSTERS = 40
ALPHA = 0.05
CLUSTERS_PER_DIFFERENCE = 10


@dataclass(frozen=True)
class Rule:
    """The convention of standard errors, intervals and p-values; `df` None means the normal distribution."""

    method: str
    conf_level: float
    n_clusters: int
    df: float | None = None
    df_rule: str = ""
    small_sample_factor: float | None = None

    def figure(
        self, term: str, estimand: str, estimate: float, std_error: float | None, method: str = "", **rest: Any
    ) -> tuple[Estimate, Inference]:
        """The estimate with its interval and p-value, and how they were reckoned.

        `rest` are further fields of the estimate; `method` replaces the rule's own where one figure differs.
        """
        span = wald(estimate, std_error, self.conf_level, self.df) if std_error else None
        low, high, p_value = (span.low, span.high, span.p_value) if span else (None, None, None)
        row = Estimate(term, estimand, estimate, std_error, low, high, p_value, conf_level=self.conf_level,
                       **{"n_clusters": self.n_clusters, **rest})  # fmt: skip
        how = Inference(
            term, method or self.method, row.group, row.time, std_error, low, high, p_value,
            "normal" if self.df is None else "t", self.df, self.df_rule, self.small_sample_factor,
            row.n_clusters)  # fmt: skip
        return row, how


def few_clusters(clusters: int, people: int | None = None) -> tuple[Check, ...]:
    """A warning where there are too few clusters for the usual intervals to be trusted.

    With as many clusters as `people` nobody shares a cluster with anyone: then there are none to be too few.
    """
    if clusters >= ENOUGH_CLUSTERS or clusters == people:
        return ()
    message = (
        f"There are only {clusters} clusters; with fewer than {ENOUGH_CLUSTERS} the intervals tend to be too narrow."
    )
    return (Check("few_clusters", "warn", message, statistic=clusters, threshold=ENOUGH_CLUSTERS,
                  counts=(clusters,)),)  # fmt: skip


def pretrends_check(
    test: JointTest | None, differences: int, *, trusted: bool, counts: tuple[int, ...], without: str = ""
) -> Check:
    """The joint test of `differences` before adoption, in words; `without` says what it leaves out.

    `trusted` says whether there are clusters enough for the test to hold its level (see `enough_for_joint_test`);
    `counts` are the numbers of units behind the differences.
    """
    if differences == 0:
        return Check("pretrends", "warn", f"There is no difference before adoption to test.{without}", counts=counts)
    if test is None:
        message = f"The clusters are too few to test {differences} differences before adoption jointly.{without}"
        return Check("pretrends", "warn", message, counts=counts)
    chance = "p below 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.2g}"
    figures: dict[str, Any] = {"statistic": test.statistic, "df": test.df, "p_value": test.p_value,
                               "threshold": ALPHA, "counts": counts}  # fmt: skip
    tested = f"joint test of {test.df} differences, {chance}"
    if not trusted:
        message = (
            f"The joint test of {test.df} differences before adoption ({chance}) cannot be relied on: with so few "
            f"clusters for each it finds differences that are not there. Judge by the single differences.{without}"
        )
        return Check("pretrends", "info", message, **figures)
    if test.p_value < ALPHA:
        message = f"The groups moved apart before adoption already ({tested}).{without}"
        return Check("pretrends", "fail", message, **figures)
    message = (
        f"The groups show no sign of moving apart before adoption ({tested}). This is no proof of parallel trends: "
        f"the test can miss differences that matter.{without}"
    )
    return Check("pretrends", "pass", message, **figures)


def enough_for_joint_test(clusters: int, differences: int) -> bool:
    """Whether a Wald test of `differences` resting on `clusters` holds its level: ten clusters for each.

    The estimated covariance of many differences is too noisy to invert when clusters are few: on simulated panels
    of 120 units with parallel trends the test of 47 differences rejects nearly always, that of 17 in 3 of 10.
    """
    return clusters >= CLUSTERS_PER_DIFFERENCE * differences
