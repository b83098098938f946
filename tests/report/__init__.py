"""The reports: wording, numbers, figures, documents."""
