"""From agency data and a study file to a defensible outcomes report."""

__version__ = "0.1.0"
