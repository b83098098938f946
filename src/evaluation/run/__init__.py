"""Plan everything, then fit: a study and its data become released results."""
