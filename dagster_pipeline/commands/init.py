"""``plumbline init``: a commented plumbline.yml to start from."""

from __future__ import annotations

from pathlib import Path

from dagster_pipeline.config.starter import starter_text
from dagster_pipeline.errors import PlumblineError


def init(path: Path) -> None:
    """Write the starter; never over an existing file."""
    if path.exists():
        raise PlumblineError(f"{path} exists already; remove it first or name another file with --path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(starter_text(), encoding="utf-8")
    print(f"Wrote {path}. Fill in the sources, then run: plumbline run --config {path}")
