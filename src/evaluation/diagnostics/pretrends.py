"""How large the differences before adoption are beside the effect, which a test of their being zero does not say."""

from __future__ import annotations

from evaluation.results import Check, Estimate, ResultSet

AS_LARGE = 1.0  # share of the overall effect from which a difference before adoption matters


def pretrend_size(results: ResultSet) -> tuple[Check, ...]:
    """The largest difference before adoption as a share of the overall effect; nothing without event times.

    A joint test can pass because it has little power, and fail over differences too small to matter; the size
    of the largest lead beside the effect says which (Roth, 2022).
    """
    leads = [e for e in results.estimates if e.term == "event" and e.status == "ok" and (e.time or 0) < 0]
    overall = next((e.estimate for e in results.estimates if e.term == "att" and e.status == "ok"), None)
    if not leads or not overall:
        return ()
    largest = max(leads, key=lambda e: abs(e.estimate or 0))
    share = abs((largest.estimate or 0) / overall)
    return (
        Check(
            "pretrend_size",
            "warn" if share >= AS_LARGE else "info",
            _message(largest, overall, share),
            term="event",
            time=largest.time,
            statistic=share,
            threshold=AS_LARGE,
        ),
    )


def _message(largest: Estimate, overall: float, share: float) -> str:
    periods = -int(largest.time or 0)
    when = f"{periods} period{'' if periods == 1 else 's'} before adoption"
    said = f"The largest difference before adoption ({largest.estimate:.3g}, {when}) is {share:.0%} of the size of "
    return said + f"the overall effect ({overall:.3g})."
