"""``make bench-truth``: look at every planned world, then score them and write the page.

Worlds are independent, so they run in as many processes as there are cores; each finished world is one line of the
results file, and a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from itertools import product
from pathlib import Path

from benchmarks.truth.observe import Observatory, Record
from benchmarks.truth.plan import CLEAN_WORLDS, DECISION_WORLDS, FAULTY_WORLDS, SEED, World, planned
from benchmarks.truth.whole_line import WORLDS, WholeLine, chosen, differences

RESULTS = Path(__file__).parents[2] / ".plumbline" / "truth.jsonl"
_BATCH = 8
_READERS = frozenset(
    f"benchmarks/{name}.py"
    for name in ("truth/score", "truth/decisions", "truth/page", "truth/plots", "mutation_score")
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 where a world could not be looked at: an error is never counted as a pass."""
    options = _options(arguments)
    worlds = planned(options.clean, options.faulty, options.decisions, options.seed)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    failed = _run(worlds, options.results, options.processes)
    print(f"{len(worlds) - failed:,} of {len(worlds):,} worlds are in {options.results}")
    records = {record["id"]: record for record in read_records(options.results)}
    unlike = _differences(worlds, records, options.whole)
    if not options.no_page:
        from benchmarks.truth.page import write_page  # noqa: PLC0415 - plots need a library that running does not

        planned_ones = [records[world.id] for world in worlds if world.id in records]
        write_page(planned_ones, options.seed, WholeLine(options.whole, unlike))
    return 1 if failed or unlike else 0


def read_records(path: Path) -> list[Record]:
    """The finished worlds' records, the last one where a world is there twice; those of another state of the code are none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = {record["id"]: record for record in map(json.loads, lines) if record["code"] == fingerprint()}
    return [found[key] for key in sorted(found)]


@cache
def fingerprint() -> str:
    """The code that a record came of: figures of two states of it must never be put together.

    What only reads records (scores, plots, the page) is not of it: they may be read in another way without a new run.
    """
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder, pattern in product(
        ("dagster_pipeline", "dbt_project", "benchmarks"), ("*.py", "*.sql", "*.yml")
    ):
        for path in sorted((root / folder).rglob(pattern)):
            if path.relative_to(root).as_posix() not in _READERS:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _differences(worlds: Sequence[World], records: Mapping[str, Record], count: int) -> int:
    """Of so many worlds, how many the whole pipeline tells otherwise than the compiled line; each is shown."""
    unlike = 0
    for world in chosen(worlds, count) if count else ():
        found = differences(world, records[world.id])
        unlike += bool(found)
        if found:
            print(f"{world.id}, whole pipeline: {'; '.join(found)}", file=sys.stderr)
    return unlike


def observed(worlds: Sequence[World]) -> list[Record]:
    """Records of a few worlds, in this process; garbage is collected before them."""
    gc.disable()
    gc.collect()
    return [_observed(world) for world in worlds]


@cache
def _observatory() -> Observatory:
    """One for the process: what it has planned serves all its worlds."""
    return Observatory()


def _observed(world: World) -> Record:
    try:
        return _observatory().observe(world)
    except Exception:
        return {
            "id": world.id,
            "error": traceback.format_exc(),
            "injections": [str(i) for i in world.injections],
        }


def _run(worlds: Sequence[World], path: Path, processes: int) -> int:
    done = {record["id"] for record in read_records(path) if "error" not in record}
    left = [world for world in worlds if world.id not in done]
    batches = [left[i : i + _BATCH] for i in range(0, len(left), _BATCH)]
    failed, started, count = 0, time.monotonic(), 0
    with path.open("a", encoding="utf-8") as file:
        for records in _in_parallel(batches, processes):
            for record in records:
                file.write(json.dumps(record | {"code": fingerprint()}, allow_nan=False) + "\n")
                if "error" in record:
                    failed += 1
                    print(f"{record['id']} failed:\n{record['error']}", file=sys.stderr)
            file.flush()
            count += len(records)
            if count % 200 < _BATCH:
                print(f"{count:,} of {len(left):,} worlds, {time.monotonic() - started:,.0f} s", flush=True)
    return failed


def _in_parallel(batches: Sequence[Sequence[World]], processes: int) -> Iterator[list[Record]]:
    if processes == 1:
        yield from (observed(batch) for batch in batches)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(observed, batch) for batch in batches]):
            yield done.result()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth.run", description=__doc__)
    parser.add_argument("--clean", type=int, default=CLEAN_WORLDS, help="clean worlds (default: %(default)s)")
    parser.add_argument(
        "--faulty", type=int, default=FAULTY_WORLDS, help="faulty worlds (default: %(default)s)"
    )
    parser.add_argument(
        "--decisions",
        type=int,
        default=DECISION_WORLDS,
        help="worlds of the decisions (default: %(default)s)",
    )
    parser.add_argument(
        "--whole", type=int, default=WORLDS, help="worlds for the whole pipeline too (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="one JSON line a world")
    parser.add_argument("--no-page", action="store_true", help="leave docs/ as it is")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
