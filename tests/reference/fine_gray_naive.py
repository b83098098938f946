"""Fine and Gray's regression as it is defined: weights as a matrix over people and times, loops over both."""

import numpy as np
from scipy.optimize import root


def weights(time, event, mass):
    """Weight (n, K) of each person at each distinct time, by the Kaplan-Meier estimate of staying uncensored."""
    times = np.unique(time)
    free = np.ones(len(times))
    for k in range(1, len(times)):
        before = times[k - 1]
        gone = mass[(time == before) & (event == 0)].sum()
        free[k] = free[k - 1] * (1 - gone / mass[time >= before].sum())
    found = np.zeros((len(time), len(times)))
    for i in range(len(time)):
        for k, at in enumerate(times):
            if time[i] >= at:
                found[i, k] = 1.0
            elif event[i] not in (0, 1):
                found[i, k] = free[k] / free[np.searchsorted(times, time[i])]
    return times, found


def score(coefficients, time, event, columns, mass):
    """The weighted partial likelihood's gradient, Breslow's ties."""
    times, weight = weights(time, event, mass)
    ratio = np.exp(columns @ coefficients) * mass
    total = np.zeros(columns.shape[1])
    for i in np.flatnonzero(event == 1):
        at = weight[:, np.searchsorted(times, time[i])] * ratio
        total += mass[i] * (columns[i] - at @ columns / at.sum())
    return total


def solve(time, event, columns, mass):
    """The coefficients at which the gradient is zero."""
    found = root(score, np.zeros(columns.shape[1]), args=(time, event, columns, mass), tol=1e-13)
    assert found.success
    return found.x
