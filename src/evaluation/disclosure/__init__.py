"""The only door out: what a profile hides before results may be released."""
