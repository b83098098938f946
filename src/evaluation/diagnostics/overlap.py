"""Whether people of both arms could have been in the other: preference scores, tails, effective sample sizes.

Preference scores are propensities freed of the arms' sizes; where half of each arm lies between 0.3 and 0.7, the choice
of arm was open enough to compare (Walker et al., 2013). Weights are judged by Kish's effective sample size and by the
share of an arm's weight that one person holds. The lines below which a check warns or fails, other than Walker's
half, are this project's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.balance import Compared, effective_size, preference
from evaluation.results import Check, Overlap, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 20
OPEN = (0.3, 0.7)  # preference scores of people who could as well have been in the other arm
TAILS = (0.05, 0.95)
EQUIPOISE = (0.5, 0.2)  # share of an arm within OPEN: below the first warn, below the second fail
KEPT = (0.5, 0.1)  # effective over actual number of people
HELD = (0.05, 0.2)  # of an arm's weight by one person: above the first warn, above the second fail
BEYOND = (0.05, 0.25)  # of people in the tails
ARMS: tuple[tuple[int, Literal["treated", "control"], str], ...] = (
    (1, "treated", "treated"), (0, "control", "comparison"))  # fmt: skip
Status = Literal["pass", "warn", "fail"]


def overlap(compared: Sequence[Compared]) -> ResultSet:
    """Histogram rows of the propensity and the checks, for every window."""
    results = ResultSet()
    for at in compared:
        checks = [_equipoise(at), _tails(at)]
        if at.weight is not None:
            checks += [_effective(at, at.weight), _largest(at, at.weight)]
        results += ResultSet(overlap=tuple(_bins(at)), checks=tuple(checks))
    return results


def _bins(at: Compared) -> list[Overlap]:
    place = np.minimum((at.chance * BINS).astype(np.int64), BINS - 1)
    weight = at.mass if at.weight is None else at.weight
    rows = []
    for code, group, _ in ARMS:
        of_arm = at.arm == code
        people = np.bincount(place[of_arm], minlength=BINS)
        sums = np.bincount(place[of_arm], weight[of_arm], BINS)
        rows += [Overlap(group, k / BINS, (k + 1) / BINS, int(people[k]), float(sums[k]), at.time) for k in range(BINS)]
    return rows


def _falls(value: float, lines: tuple[float, float]) -> Status:
    return "pass" if value >= lines[0] else "warn" if value >= lines[1] else "fail"


def _rises(value: float, lines: tuple[float, float]) -> Status:
    return "pass" if value <= lines[0] else "warn" if value <= lines[1] else "fail"


def _equipoise(at: Compared) -> Check:
    score = preference(at.chance, float(at.mass @ at.arm) / float(at.mass.sum()))
    inside = (score >= OPEN[0]) & (score <= OPEN[1])
    shares, counts = [], []
    for code, _, _ in ARMS:
        of_arm = at.arm == code
        shares.append(float(at.mass[of_arm & inside].sum() / at.mass[of_arm].sum()))
        counts += [int((of_arm & inside).sum()), int((of_arm & ~inside).sum())]
    least, status = min(shares), _falls(min(shares), EQUIPOISE)
    told = {
        "pass": "That is enough for a comparison; whether the arms are alike, the check of balance says.",
        "warn": "For many, the arm was all but settled by their characteristics; the comparison leans on the others.",
        "fail": "For nearly everyone in an arm it was settled by their characteristics: there is little to compare.",
    }[status]
    message = (
        f"Of the treated {100 * shares[0]:.0f} % and of the comparison {100 * shares[1]:.0f} % could, by what is "
        f"recorded of them, as well have been in the other arm (preference score {OPEN[0]} to {OPEN[1]}). {told}"
    )
    return Check("overlap", status, message, time=at.time, statistic=least, threshold=EQUIPOISE[0],
                 counts=tuple(counts))  # fmt: skip


def _tails(at: Compared) -> Check:
    beyond = (at.chance < TAILS[0]) | (at.chance > TAILS[1])
    share = float(at.mass[beyond].sum() / at.mass.sum())
    status = _rises(share, BEYOND)
    if not beyond.any():
        message = f"Nobody has a propensity below {TAILS[0]} or above {TAILS[1]}."
    else:
        message = (
            f"{_percent(share)} % of people have a propensity below {TAILS[0]} or above {TAILS[1]}: people like them "
            "are hardly seen in the other arm."
        )
    if status != "pass":
        message += " What is said of them rests on few; see trim, or estimand: ato."
    counts = [int((beyond & (at.arm == code)).sum()) for code, _, _ in ARMS]
    return Check("propensity_tails", status, message, time=at.time, statistic=share, threshold=BEYOND[0],
                 counts=tuple(counts))  # fmt: skip


def _percent(share: float) -> str:
    """Two digits, so that a few people among many do not read as none."""
    return "100" if share >= 0.995 else f"{100 * share:.2g}"  # fmt: skip


def _effective(at: Compared, weight: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Check:
    sizes, people = [], []
    for code, _, _ in ARMS:
        of_arm = weight[(at.arm == code) & (weight > 0)]
        people.append(len(of_arm))
        sizes.append(effective_size(of_arm))
    share = min(s / n for s, n in zip(sizes, people, strict=True))
    status = _falls(share, KEPT)
    message = (
        f"With their weights, {people[0]:,} treated people count for {sizes[0]:,.0f}, and {people[1]:,} in the "
        f"comparison for {sizes[1]:,.0f} (effective sample sizes)."
    )
    if status != "pass":
        message += " A few people decide much of the result."
    return Check("effective_size", status, message, time=at.time, statistic=share, threshold=KEPT[0],
                 counts=tuple(people))  # fmt: skip


def _largest(at: Compared, weight: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Check:
    held = {word: float(weight[at.arm == code].max() / weight[at.arm == code].sum()) for code, _, word in ARMS}
    word, share = max(held.items(), key=lambda h: h[1])
    status = _rises(share, HELD)
    message = f"The largest weight of one person is {100 * share:.2g} % of all weight in the {word} arm."
    if status != "pass":
        message += " The result hangs on single people; see truncate, trim, or estimand: ato."
    return Check("largest_weight", status, message, time=at.time, statistic=share, threshold=HELD[0])
