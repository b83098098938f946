"""From Parquet to checked frames: the engine, `Panel`, `Cohort` and their sufficient statistics."""
