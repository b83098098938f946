"""Empty files for an agency to fill: XLSX and CSV."""
