"""The sensitivity tests written out as linear programs, as Andrews, Roth and Pakes (2023) state them; slow and literal.

All inequalities of one polyhedron go into one matrix, the least-favourable critical value is drawn, and whether a
vertex stays optimal is asked of the solver again and again. The project's closed forms share no line with this.
"""

import numpy as np
from scipy.optimize import linprog
from scipy.stats import truncnorm

ONE_STAGE = 0.005  # kappa: a tenth of 5 %


def polyhedron(p, q, m_bar, s, sign):
    """A (rows, p + q) of {A delta <= 0}: moves after the reference at most m_bar times the move at s, which is largest.

    s = 0 is the last move before the reference, s = -1 the one before it. Rows that touch later steps only.
    """
    path = np.insert(np.eye(p + q), p, 0, axis=0)
    moves = np.diff(path, axis=0)
    limit = m_bar * sign * moves[p - 1 + s]
    return np.concatenate([moves[p:] - limit, -moves[p:] - limit])


class Problem:
    """One polyhedron: moments y - X nu <= 0, with nu the effects that leave the target as it is supposed."""

    def __init__(self, estimates, covariance, p, weights, m_bar, s, sign):
        self.q = len(estimates) - p
        self.A = polyhedron(p, self.q, m_bar, s, sign)
        self.after = self.A[:, p:]
        self.estimates, self.weights = estimates, np.asarray(weights, float)
        self.sigma = self.A @ covariance @ self.A.T
        self.spread = np.sqrt(np.diag(self.sigma))
        _, _, rows = np.linalg.svd(self.weights[None])
        self.X = self.after @ rows[1:].T  # directions in which the effects may vary

    def moments(self, theta):
        effects = theta * self.weights / (self.weights @ self.weights)
        return self.A @ self.estimates - self.after @ effects

    def program(self, y):
        """The excess and the dual multipliers."""
        free = self.X.shape[1]
        found = linprog(
            np.r_[1.0, np.zeros(free)],
            A_ub=np.c_[-self.spread, -self.X], b_ub=-y, bounds=[(None, None)] * (1 + free), method="highs")  # fmt: skip
        assert found.status == 0
        return found.fun, -found.ineqlin.marginals

    def least_favourable(self, draws, seed=0):
        rng = np.random.default_rng(seed)
        root = np.linalg.svd(self.sigma)
        noise = rng.normal(size=(draws, len(self.sigma))) @ (root[0] * np.sqrt(root[1])).T
        return np.quantile([self.program(y)[0] for y in noise], 1 - ONE_STAGE)

    def truncation(self, y, excess, dual):
        """Ends of the interval of excesses at which this vertex is optimal, by bisection over the program."""
        variance = dual @ self.sigma @ dual
        along = self.sigma @ dual / variance
        rest = y - along * excess

        def optimal(value):
            return self.program(rest + along * value)[0] <= value + 1e-9 * (1 + abs(value))

        far, ends = 20 * np.sqrt(variance), []
        for direction in (-1, 1):
            inside, outside = excess, excess + direction * far
            if optimal(outside):
                ends.append(direction * np.inf)
                continue
            for _ in range(24):
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if optimal(middle) else (inside, middle)
            ends.append(inside)
        return ends, np.sqrt(variance)

    def accepts(self, theta, critical, alpha=0.05):
        y = self.moments(theta)
        excess, dual = self.program(y)
        if excess > critical:
            return False
        if excess <= 0:
            return True
        (low, high), spread = self.truncation(y, excess, dual)
        second = (alpha - ONE_STAGE) / (1 - ONE_STAGE)
        ends = np.array([low, min(high, critical)]) / spread
        return excess / spread <= max(0, truncnorm.ppf(1 - second, *ends))
