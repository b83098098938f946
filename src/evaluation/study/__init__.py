"""What an evaluator writes: the study file, its models, its loading with file:line:col, starter files."""
