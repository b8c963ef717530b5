"""What share of the mutants the tests killed, from what mutmut left behind; fails where it is too small.

Run after ``mutmut run`` (``make mutation`` does both). A mutant that only made the tests run forever is killed; one
that no test reaches is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KILLED = frozenset({1, 3, 24, 36, -24, 152, 255})  # a failed test, an error in collection, or out of time
GROUPS = {
    "bounds": ("statistics/bounds/", "statistics/regions.py"),
    "direction": ("statistics/direction.py",),
    "severity": ("criteria/severity.py", "criteria/delta_star.py"),
}


@dataclass(frozen=True)
class Score:
    """Mutants of one module: all, those killed, and the names of those that live."""

    module: str
    total: int
    killed: int
    alive: tuple[str, ...]


def scores(folder: Path) -> Iterator[Score]:
    """One score per mutated module. Raises ValueError where a mutant was never tried."""
    for path in sorted(folder.rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        untried = [name for name, code in codes.items() if code is None]
        if untried:
            raise ValueError(f"{len(untried)} mutants of {path} were not tried: run mutmut again")
        if codes:
            alive = tuple(sorted(name for name, code in codes.items() if code not in KILLED))
            module = str(path.relative_to(folder)).removeprefix("dagster_pipeline/").removesuffix(".meta")
            yield Score(module, len(codes), len(codes) - len(alive), alive)


def table(found: list[Score]) -> str:
    """A Markdown table, one line per module and one per group."""
    lines = ["| module | killed | of | share |", "|---|---:|---:|---:|"]
    for group, modules in GROUPS.items():
        inside = [score for score in found if score.module.startswith(modules)]
        lines += [_line(f"`{score.module}`", score.killed, score.total) for score in inside]
        lines.append(_line(f"**{group}**", *_sums(inside)))
    return "\n".join(lines)


def too_few(found: list[Score], least: float) -> list[str]:
    """The groups of which a smaller share was killed, or of which there is no mutant."""
    short = []
    for group, modules in GROUPS.items():
        killed, total = _sums([score for score in found if score.module.startswith(modules)])
        if total == 0 or killed < least * total:
            short.append(group)
    return short


def _sums(found: list[Score]) -> tuple[int, int]:
    sums: Counter[str] = Counter()
    for score in found:
        sums.update(killed=score.killed, total=score.total)
    return sums["killed"], sums["total"]


def _line(name: str, killed: int, total: int) -> str:
    return f"| {name} | {killed} | {total} | {100 * killed / max(total, 1):.1f}% |"


def main() -> int:
    """Prints the table and the mutants that live; 1 where a group falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("mutants"))
    parser.add_argument("--least", type=float, default=0.90)
    arguments = parser.parse_args()
    found = list(scores(arguments.folder))
    print(table(found))
    print("\n".join(["", "Alive:", *(name for score in found for name in score.alive)]))
    short = too_few(found, arguments.least)
    if short:
        print(f"Killed less than {arguments.least:.0%}: {', '.join(short)}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
