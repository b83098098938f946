"""Fine and Gray's regression as it is defined: weights as a matrix over people and times, loops over both."""

import numpy as np
from scipy.optimize import root


def weights(time, event, mass, *, events_leave_first=False):
    """Weight (n, K) of each person at each distinct time, by the Kaplan-Meier estimate of staying uncensored.

    `events_leave_first`: people with an event at a time are no longer at risk of being censored then, as in R's
    survival::finegray; otherwise they are, as in cmprsk.
    """
    times = np.unique(time)
    free = np.ones(len(times))
    for k in range(1, len(times)):
        before = times[k - 1]
        gone = mass[(time == before) & (event == 0)].sum()
        at_risk = mass[time >= before].sum()
        if events_leave_first:
            at_risk -= mass[(time == before) & (event != 0)].sum()
        free[k] = free[k - 1] * (1 - gone / at_risk if gone else 1)
    found = np.zeros((len(time), len(times)))
    for i in range(len(time)):
        for k, at in enumerate(times):
            if time[i] >= at:
                found[i, k] = 1.0
            elif event[i] not in (0, 1):
                found[i, k] = free[k] / free[np.searchsorted(times, time[i])]
    return times, found


def score(coefficients, time, event, columns, mass, times, weight):
    """The weighted partial likelihood's gradient, Breslow's ties."""
    ratio = np.exp(columns @ coefficients) * mass
    total = np.zeros(columns.shape[1])
    for i in np.flatnonzero(event == 1):
        at = weight[:, np.searchsorted(times, time[i])] * ratio
        total += mass[i] * (columns[i] - at @ columns / at.sum())
    return total


def solve(time, event, columns, mass, *, events_leave_first=False):
    """The coefficients at which the gradient is zero."""
    of_people = weights(time, event, mass, events_leave_first=events_leave_first)
    found = root(score, np.zeros(columns.shape[1]), args=(time, event, columns, mass, *of_people), tol=1e-13)
    assert np.abs(found.fun).max() < 1e-10 * mass.sum()  # where rounding ends the steps, it says it failed
    return found.x
