"""``plumbline discover``: a proposed mapping for tables nobody has mapped yet."""

from __future__ import annotations

from pathlib import Path

from dagster_pipeline.discovery import propose
from dagster_pipeline.errors import PlumblineError


def discover(folder: Path, path: Path | None) -> None:
    """Print the proposal, or write it to ``path``; never over an existing file."""
    if path is None:
        print(propose(folder).to_yaml())
        return
    if path.exists():
        raise PlumblineError(f"{path} exists already; remove it first or name another file with --path.")
    text = propose(folder, relative_to=path.resolve().parent).to_yaml()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(
        f"Wrote {path}. Read the comments, settle what is left open, then run: plumbline run --config {path}"
    )
