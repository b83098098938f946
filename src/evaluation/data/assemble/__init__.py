"""Panels from tables: events, counts, populations and adoptions to units by periods."""
