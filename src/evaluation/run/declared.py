"""What the command line says of a cohort that is planned, where its data are not there or should not be read."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Declared:
    """Figures of a planned cohort; None is what the data or the study file say, else the default.

    Attributes
    ----------
    people
        People who will enter, in both arms together; then no data are read.
    treated_share
        Share of them in the treated arm (default 0.5).
    baseline
        Risk of the outcome without the program by the window of the primary analysis.
    competing
        Share of people whom a competing event meets first by then (default 0).
    attrition
        Share of people whose outcome will not be known (default 0).
    clusters
        Clusters that are in one arm each, such as courts.
    icc
        Correlation of the outcome within clusters (default 0.05 where there are clusters).
    cluster_variation
        Coefficient of variation of the clusters' sizes (default 0).
    r_squared
        Share of the outcome's variance that the covariates explain (default 0).
    arm_r_squared
        Share of the arm's variance that they explain: what adjusting for who enters costs (default 0).
    """

    people: int | None = None
    treated_share: float | None = None
    baseline: float | None = None
    competing: float | None = None
    attrition: float | None = None
    clusters: int | None = None
    icc: float | None = None
    cluster_variation: float | None = None
    r_squared: float | None = None
    arm_r_squared: float | None = None

    @property
    def given(self) -> list[str]:
        """Names of the figures that are declared."""
        return [f.name for f in fields(self) if getattr(self, f.name) is not None]

    @property
    def impossible(self) -> list[tuple[str, str]]:
        """Figures that cannot be: (name, what they must be)."""
        shares = ("attrition", "competing", "r_squared", "arm_r_squared", "icc")
        found = [(n, "a share from 0 up to, but not, 1") for n in shares if not 0 <= (getattr(self, n) or 0) < 1]
        inside = ("treated_share", "baseline")
        found += [(n, "a share between 0 and 1") for n in inside if n in self.given and not 0 < getattr(self, n) < 1]
        if self.people is not None and self.people < 10:
            found.append(("people", "10 or more"))
        if self.clusters is not None and not 4 <= self.clusters <= (self.people or self.clusters):
            found.append(("clusters", "4 or more, and no more than there are people"))
        if (self.cluster_variation or 0) < 0:
            found.append(("cluster_variation", "0 or more"))
        return found
