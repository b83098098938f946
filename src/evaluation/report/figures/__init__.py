"""Figures of a report: drawn from released rows, with alt text computed from them and their data beside them."""
