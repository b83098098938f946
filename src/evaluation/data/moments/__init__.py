"""What difference-in-differences estimators need of a panel, in a few scans: sums over units that share a fate.

Units of one cluster and cohort, observed in the same periods, have the same regressors after differencing out unit
effects; the sums of their outcomes by period therefore give coefficients and cluster-robust variances exactly.
Where weights change within a unit, or few units are each their own cluster, a row is one unit; where many are, their
outcomes' cross-products stand in for them.
"""

from evaluation.data.moments.facts import EXTREME
from evaluation.data.moments.keep import holding
from evaluation.data.moments.model import Floats, Integers, Mask, PanelMoments, folded
from evaluation.data.moments.scan import panel_moments, panel_moments_of

__all__ = ["EXTREME", "Floats", "Integers", "Mask", "PanelMoments", "folded", "holding", "panel_moments",
           "panel_moments_of"]  # fmt: skip
