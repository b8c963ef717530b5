"""The report: what a run found, as JSON, CSV, Markdown, HTML and on the terminal."""
