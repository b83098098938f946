"""The generated parts of the reports: each function returns Markdown for one include or table file."""
