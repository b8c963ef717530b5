"""``plumbline demo``: the founding story, from raw tables to a verdict."""

from __future__ import annotations

import json
from pathlib import Path

from dagster_pipeline.commands.run import print_outcome, run
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.spec import TABLES
from dagster_pipeline.demo.story import founding_story, write_config
from dagster_pipeline.demo.world import generate


def demo(folder: Path, requests: int, clean: bool, generate_only: bool, debug: bool) -> None:
    """Make the world (unless this very one is there already), run the line, print register and verdict."""
    config = _world(folder, requests, clean=clean)
    if generate_only:
        print(f"Wrote {config}. Run it with: plumbline run --config {config} --output {folder / 'out'}")
        return
    print_outcome(run(config, folder / "out", debug=debug))


def _world(folder: Path, requests: int, *, clean: bool) -> Path:
    spec, faults = founding_story(requests)
    faults = Faults() if clean else faults
    marker = folder / ".world.json"
    wanted = json.dumps({"spec": repr(spec), "faults": repr(faults)}, sort_keys=True)
    config = folder / "plumbline.yml"
    is_whole = all(path.exists() for path in (marker, config, *(folder / f"{t}.parquet" for t in TABLES)))
    if is_whole and marker.read_text(encoding="utf-8") == wanted:
        return config
    marker.unlink(missing_ok=True)  # half a new world must not pass for the old one
    world = generate(spec, folder, faults)
    config = write_config(folder, world, in_full=True)
    marker.write_text(wanted, encoding="utf-8")
    return config
