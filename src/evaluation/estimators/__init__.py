"""Estimators: one method a file, none knows another. See `base` for the protocol, `registry` for the list."""
