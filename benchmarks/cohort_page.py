"""The page of the cohorts' calibration: a summary in words and one table a design, from what the draws found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration import FAR_BIAS, NOMINAL, Calibration, Found, share_error, summary
from cohort_designs import DESIGNS, Case, Design
from cohort_tests import ALPHA, TRIALS, Question, Trial

COLUMNS = ("estimator", "options", "figure", "people", "bias", "coverage", "SE ratio", "answered", "within limits")
A_LITTLE = 0.99  # mean SE ratio below which intervals are said to be too narrow
ASKED = ("estimator", "what is counted", "people", "share", "Monte Carlo SE", "should be", "answered", "within limits")


@dataclass(frozen=True)
class Counted:
    """How often something was so, of the draws in which it could be told."""

    question: Question
    estimator: str
    draws: int
    share: float

    @property
    def error(self) -> float:
        """Monte Carlo standard error, at the share that should be, or at the one found where none should be."""
        expected = self.share if self.question.expected is None else self.question.expected
        return share_error(expected, self.draws)

    @property
    def passes(self) -> bool:
        """Whether it lies within three Monte Carlo standard errors of what should be."""
        expected = self.question.expected
        return expected is None or abs(self.share - expected) <= 3 * self.error


@dataclass
class Results:
    """What has been found: by the name of a design or trial, rows of (people, figure), and how often it was drawn."""

    sizes: tuple[int, ...]
    draws: int
    estimates: dict[str, list[tuple[int, Calibration]]] = field(default_factory=dict)
    shares: dict[str, list[tuple[int, Counted]]] = field(default_factory=dict)
    drawn: dict[str, int] = field(default_factory=dict)

    def add(self, design: Design, size: int, found: Sequence[Sequence[Found | None]]) -> None:
        """What each draw found for each case, in order."""
        self.drawn[design.name] = len(found)
        rows = [summary(case, [f[i] for f in found]) for i, case in enumerate(design.cases)]
        self.estimates.setdefault(design.name, []).extend((size, c) for c in rows)

    def add_trial(self, trial: Trial, size: int, answers: Sequence[Sequence[bool | None]]) -> None:
        """What each draw answered to each question, in order."""
        self.drawn[trial.name] = len(answers)
        estimators = [f.estimator for f in trial.fits for _ in f.questions]
        for i, (question, estimator) in enumerate(zip(trial.questions, estimators, strict=True)):
            known = [float(found) for a in answers if (found := a[i]) is not None]
            row = Counted(question, estimator, len(known), float(np.mean(known)) if known else np.nan)
            self.shares.setdefault(trial.name, []).append((size, row))

    def judged(self) -> list[tuple[int, Calibration]]:
        """Rows whose assumptions hold."""
        return [(n, c) for d in DESIGNS for n, c in self.estimates.get(d.name, []) if c.case.holds]

    def tests(self) -> list[tuple[int, Counted]]:
        """Shares of which it is known what they should be."""
        rows = [r for t in TRIALS for r in self.shares.get(t.name, [])]
        return [(n, c) for n, c in rows if c.question.expected is not None]


def passes(c: Calibration) -> bool:
    """Whether bias and coverage are within their limits, or above them where intervals are known to be too wide."""
    wide = c.case.wide and abs(c.bias) < FAR_BIAS and c.coverage > NOMINAL
    return bool(wide or c.passes)


def unexplained(results: Results) -> list[str]:
    """Rows outside the limits without a known reason."""
    smallest = min(results.sizes)
    bad = [_named(n, c.case) for n, c in results.judged() if not passes(c) and not (c.case.why and n == smallest)]
    return bad + [f"{c.question.label}, {n:,} people" for n, c in results.tests() if not c.passes]


def _named(size: int, case: Case) -> str:
    return f"`{case.estimator}` ({case.asked}), {case.figure}, {size:,} people"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# --------------------------------------------------------------------------- the page


HEAD = """\
# Calibration of the cohort estimators

Does a 95 % interval hold the truth 95 times in 100, and does a test find what is not there 5 times in 100? People are
drawn with a known effect, {draws:,} times at {sizes} people unless a table says otherwise. `make calibrate`
renews this page; it fails when a row whose assumptions hold is outside the limits and no reason for it is known.

## In short

"""
TERMS = """
## How to read the tables

- **Bias** is the mean error in standard deviations of the estimates; below 0.1, or three
  Monte Carlo standard errors where draws are few, it counts as none.
- **Coverage** is the share of intervals that hold the truth. With {draws:,} draws its Monte Carlo standard error is
  {error:.2f} points, so it must lie within {low:.1f} and {high:.1f} %.
- **SE ratio** is the mean standard error over the standard deviation of the estimates; 1 is right.
- **Answered** is the share of draws in which there was an answer: in small ones an arm may be without events.
- Rows marked *assumptions fail* are there to show what happens then, and are not judged.
- Tests are counted at the 5 % level; where something is there to be found, the share is only shown.
"""


def page(results: Results) -> str:
    """The page in `docs/`, the same for the same results."""
    error = 100 * share_error(NOMINAL, results.draws)
    *some, last = (f"{n:,}" for n in results.sizes)
    text = HEAD.format(draws=results.draws, sizes=f"{', '.join(some)} and {last}")
    text += "".join(f"- {line}\n" for line in _summary(results))
    text += TERMS.format(draws=results.draws, error=error, low=95 - 3 * error, high=95 + 3 * error)
    for design in DESIGNS:
        if found := results.estimates.get(design.name):
            ordered = sorted(found, key=lambda r: (design.cases.index(r[1].case), r[0]))
            text += _section(results, design, COLUMNS, [_row(c, n, results.drawn[design.name]) for n, c in ordered])
    for trial in TRIALS:
        if shares := results.shares.get(trial.name):
            ordered_shares = sorted(shares, key=lambda r: (trial.questions.index(r[1].question), r[0]))
            text += _section(
                results, trial, ASKED, [_share(c, n, results.drawn[trial.name]) for n, c in ordered_shares]
            )
    return text


def _section(results: Results, of: Design | Trial, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    note, draws = of.note, results.drawn[of.name]
    if draws != results.draws and columns is COLUMNS:
        error = 100 * share_error(NOMINAL, draws)
        note += f" Drawn {draws:,} times: the Monte Carlo standard error of a coverage of 95 % is {error:.2f} points."
    elif draws != results.draws:
        note += f" Drawn {draws:,} times."
    lines = [f"\n## {of.title}\n\n{note}\n", _line(columns), _line(["---"] * len(columns)).replace(" ", "")]
    return "\n".join(lines + [_line(r) for r in rows]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _row(c: Calibration, size: int, draws: int) -> Sequence[str]:
    case = c.case
    verdict = ("yes" if passes(c) else "**no**") if case.holds else "assumptions fail"
    verdict += " (too wide)" if case.wide and verdict == "yes" and not c.passes else ""
    return (f"`{case.estimator}`", case.asked, case.figure, f"{size:,}", f"{c.bias:+.3f}", _percent(c.coverage),
            f"{c.ratio:.3f}", _percent(c.draws / draws), verdict)  # fmt: skip


def _share(c: Counted, size: int, draws: int) -> Sequence[str]:
    expected = c.question.expected
    verdict = "shown" if expected is None else "yes" if c.passes else "**no**"
    return (f"`{c.estimator}`", c.question.label, f"{size:,}", _percent(c.share), f"{100 * c.error:.2f} points",
            "" if expected is None else _percent(expected), _percent(c.draws / draws), verdict)  # fmt: skip


# --------------------------------------------------------------------------- in short


def _summary(results: Results) -> Iterator[str]:
    judged, tests = results.judged(), results.tests()
    good = sum(passes(c) for _, c in judged)
    if judged:
        yield f"Of {len(judged)} rows of estimates whose assumptions hold, {good} are within the limits."
        yield _by_size(judged)
    for size, c in judged:
        if not passes(c):
            why = c.case.why if size == min(results.sizes) else ""
            yield (
                f"**Not within the limits**: {_named(size, c.case)}: coverage {_percent(c.coverage)}, "
                f"bias {c.bias:+.3f}, SE ratio {c.ratio:.3f}. {why or 'No reason is known.'}"
            )
    if too_wide := [c for _, c in judged if c.case.wide and not c.passes and passes(c)]:
        most = max(c.coverage for c in too_wide)
        yield (
            f"{len(too_wide)} row{'s have' if len(too_wide) > 1 else ' has'} intervals that are too wide, up to "
            f"{_percent(most)} coverage: errors that take the chances of staying as known."
        )
    yield from _of_tests(tests)
    yield from _failing(results)


def _by_size(judged: list[tuple[int, Calibration]]) -> str:
    told, ratios = [], []
    for size in sorted({n for n, _ in judged}):
        rows = [c for n, c in judged if n == size]
        ratios.append(float(np.mean([c.ratio for c in rows])))
        told.append(
            f"{_percent(float(np.mean([c.coverage for c in rows])))} among {size:,} people (SE ratio {ratios[-1]:.3f})"
        )
    narrow = ": among the fewest people intervals are a little too narrow" if ratios[0] < A_LITTLE else ""
    return f"Over these rows the mean coverage is {', '.join(told)}{narrow}."


def _of_tests(tests: list[tuple[int, Counted]]) -> Iterator[str]:
    for what, rows in (
        ("tests where there is nothing to be found", [(n, c) for n, c in tests if c.question.expected == ALPHA]),
        ("bands that are to hold a whole curve", [(n, c) for n, c in tests if c.question.expected == NOMINAL]),
    ):
        if rows:
            shares = [c.share for _, c in rows]
            good = sum(c.passes for _, c in rows)
            did = "reject" if rows[0][1].question.expected == ALPHA else "hold it"
            yield (
                f"Of {len(rows)} rows of {what}, {good} are within the limits; they {did} in "
                f"{_percent(min(shares))} to {_percent(max(shares))} of draws."
            )
            yield from _missed([(n, c) for n, c in rows if not c.passes])


def _missed(rows: list[tuple[int, Counted]]) -> Iterator[str]:
    """Rows outside the limits, those with the same reason in one line."""
    for why in dict.fromkeys(c.question.why for _, c in rows):
        told = [f"{c.question.label}, {n:,} people: {_percent(c.share)} of {c.draws:,} draws" for n, c in rows
                if c.question.why == why]  # fmt: skip
        yield f"**Not within the limits**: {'; '.join(told)}. {why or 'No reason is known.'}"


def _failing(results: Results) -> Iterator[str]:
    """The worst of every design whose assumptions fail for some figure."""
    for design in DESIGNS:
        rows = [(n, c) for n, c in results.estimates.get(design.name, []) if not c.case.holds]
        if rows:
            size, worst = min(rows, key=lambda r: r[1].coverage)
            yield (
                f"Where assumptions fail ({design.title.lower()}): {_named(size, worst.case)}: "
                f"coverage {_percent(worst.coverage)}."
            )
