"""The benchmark's page: docs/benchmark-truth.md with its plots, and the figures as JSON for whoever wants to compare."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from benchmarks.truth import decisions, score
from benchmarks.truth.decisions import Line
from benchmarks.truth.plan import DECISION, DECISION_REQUESTS
from benchmarks.truth.score import RegionScore, Share
from benchmarks.truth.whole_line import WholeLine

Record = Mapping[str, Any]
DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "benchmark-truth.md"
FIGURES = Path(__file__).with_name("results.json")
AT_THE_THRESHOLD = "at the threshold"


def figures(records: Sequence[Record]) -> dict[str, Any]:
    """Every figure of the page, by its place."""
    good = [r for r in records if "error" not in r]
    faulty = [r for r in good if r["group"] != "clean"]
    decided = [r for r in good if r["group"] == DECISION]
    return {
        "worlds": {
            "clean": len(score.clean(good)),
            "faulty": len(faulty) - len(decided),
            "errors": len(records) - len(good),
            "code": sorted({r["code"] for r in good if "code" in r}),
        },
        "false_alarms": score.false_alarms(good),
        "recall": score.recall(good),
        "directions": score.directions(good),
        "regions": {
            "arms known": score.regions(
                good, lambda p: score.arms_known(p) and score.everything_was_found(p)
            ),
            "only the split known": score.regions(
                good, lambda p: score.only_the_split_known(p) and score.everything_was_found(p)
            ),
            "something planted was not found": score.regions(
                good, lambda p: not score.everything_was_found(p) and not score.another_estimand(p)
            ),
        },
        "by_fault": score.by_fault(good),
        "coverage": {metric: score.coverage(good, metric) for metric in ("hire_rate_7d", "ttfq_median")},
        "width_ratios": score.width_ratios(good),
        "wrong_go_at_the_threshold": score.share(
            r["verdict"] == "GO" for r in good if r["regime"] == AT_THE_THRESHOLD
        ),
        "wrong_go_where_the_twin_fails": decisions.wrong_go_where_twin_fails(good),
        "decisions_as_practised": decisions.as_practised(decided),
        "decisions_at_our_wrong_go": decisions.at_our_wrong_go(decided),
    }


def write_page(records: Sequence[Record], seed: int, whole: WholeLine) -> None:
    """Writes the page, its plots and the figures."""
    from benchmarks.truth import plots  # noqa: PLC0415 - the figures need no drawing library

    found = figures(records) | {"whole_line": whole}
    FIGURES.write_text(json.dumps(_plain(found), indent=1) + "\n", encoding="utf-8")
    plots.write_plots(found, DOCS / "images")
    PAGE.write_text(page(found, seed), encoding="utf-8")


def page(found: Mapping[str, Any], seed: int) -> str:
    """The page as Markdown."""
    worlds = found["worlds"]
    parts = [
        "# The benchmark with the truth known",
        f"`make bench-truth` simulates {worlds['clean']:,} clean worlds and {worlds['faulty']:,} with planted faults "
        f"(3,000 requests each, seed {seed}), brings every one of them through the project's own compiled SQL on an "
        "in-memory DuckDB, and compares what the register and the gate say with what is true. Both potential outcomes of "
        "every request are stored, and every faulty world has a clean twin. This page and "
        "`benchmarks/truth/results.json` are its output; a share stands with the standard error of the simulation. "
        f"{_code(worlds['code'])}",
        f"{found['whole_line'].worlds} of the faulty worlds went through the whole pipeline too, files in and files out; "
        f"in {found['whole_line'].unlike} of them it said anything else than the compiled line.",
        _errors(worlds["errors"]),
        *_alarms_and_directions(found),
        *_regions(found),
        "## Decisions: what does a wrong one cost?",
        _decisions(found),
        "![Regret](images/truth-regret.svg)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _alarms_and_directions(found: Mapping[str, Any]) -> list[str]:
    return [
        "## Clean worlds: does it cry wolf?",
        _table(
            ("a gap above info", "worlds", "share"),
            ((k, f"{s.hits} of {s.n:,}", _share(s)) for k, s in found["false_alarms"].items()),
        ),
        "## Planted faults: are they found, and counted exactly?",
        "Countable kinds are found from their first row on, so a count is exact or wrong. The others are statistical: what "
        "they find at a rate depends on the size of the world, and the rows of days, units or shifts are not counted.",
        _recall(found["recall"]),
        "![Found by rate](images/truth-recall.svg)",
        "## Direction: which way does a gap lean?",
        _directions(found["directions"]),
    ]


def _regions(found: Mapping[str, Any]) -> list[str]:
    return [
        "## Regions: is the clean twin's estimate inside?",
        "An estimate rests on the requests and pros that are old enough, a region on the full cohort. Where the clean twin leaves "
        "nothing open, its full cohort's value is known and takes the estimate's place.",
        _held("worlds in which", found["regions"]),
        "A fault that leaves no trace (units of one arm that vanish with all their rows, too few to be told from chance) is "
        "in no region; the last line shows what that costs. By kind, in worlds with that fault alone:",
        _held("kind", found["by_fault"]),
        "### Width against brute force",
        "Our joint region's width over that of the sharp region, which is solved request by request from the raw tables:",
        _table(
            ("metric", "mean ratio", "worlds"),
            ((m, f"{ratio:.4f}", f"{n:,}") for m, (ratio, n) in found["width_ratios"].items()),
        ),
        "### With sampling error, at the adversarial edges",
        _table(
            ("metric", "two-sided (90% asked)", "on the tight side (95% asked)"),
            (
                (m, f"{_share(both)} of {both.n:,}", f"{_share(tight)} of {tight.n:,}")
                for m, (both, tight) in found["coverage"].items()
            ),
        ),
    ]


def _held(what: str, scores: Mapping[str, RegionScore]) -> str:
    header = (what, "held", "share", "without any limit")
    rows = (
        (name, f"{r.held.hits:,} of {r.held.n:,}", _share(r.held), _share(r.unlimited))
        for name, r in scores.items()
    )
    return _table(header, rows)


def _code(fingerprints: Sequence[str]) -> str:
    """Which state of the code the figures are of: they may be older than the page's neighbours."""
    named = ", ".join(f"`{found}`" for found in fingerprints) or "none"
    return f"Fingerprint of the code that was measured (`benchmarks.truth.run.fingerprint`): {named}."


def _errors(errors: int) -> str:
    return f"**{errors:,} worlds could not be looked at; they are in no figure below.**" if errors else ""


def _recall(found: Mapping[tuple[str, float], score.Recall]) -> str:
    rates = sorted({rate for _, rate in found})
    kinds = sorted({kind for kind, _ in found})
    rows = ((kind, *(_recall_cell(found.get((kind, rate))) for rate in rates)) for kind in kinds)
    return _table(("kind", *(f"{rate:.1%}" for rate in rates)), rows)


def _recall_cell(found: score.Recall | None) -> str:
    if found is None or not found.found.n:
        return ""
    exact = f", exact {found.exact.hits}" if found.exact.n else ""
    return f"{found.found.hits} of {found.found.n}{exact}"


def _directions(found: score.Directions) -> str:
    total = sum(found.proved.values())
    rows = ((word, f"{count:,}", f"{count / total:.1%}") for word, count in found.proved.most_common())
    told = (
        f"Of {total:,} impacts {len(found.wrong):,} said something that was not so. Where the bias exceeds its standard error, "
        f"`expected_direction` named the right side in {_share(found.expected_right)} of {found.expected_right.n:,}; it made "
        f"no guess in {_share(found.no_guess)} of {found.no_guess.n:,} (a gap without a repair has nothing to compare)."
    )
    return told + "\n\n" + _table(("`direction`", "impacts", "share"), rows)


def _decisions(found: Mapping[str, Any]) -> str:
    clear, at = found["wrong_go_where_the_twin_fails"], found["wrong_go_at_the_threshold"]
    told = (
        f"Where the clean twin misses a threshold by two standard errors, {clear.hits} of {clear.n:,} faulty worlds got a GO. "
        f"Where the true effect lies exactly at the threshold, {_share(at)} of {at.n:,} worlds did (5% is the error the brief "
        "allows)."
    )
    return "\n\n".join(
        [
            told,
            f"{found['decisions_as_practised'][0].worlds:,} worlds of {DECISION_REQUESTS:,} requests have effects around the "
            "brief's thresholds and one fault of 2 or 6% that leaves something open, by every mechanism. The loss of a "
            "decision is in tolerances (one is 1 pp of hire rate, 10% of tickets and so on). As practised:",
            _lines(found["decisions_as_practised"]),
            "With every habit's threshold moved until it lets no more bad launches through than ours:",
            _lines(found["decisions_at_our_wrong_go"]),
        ]
    )


def _lines(lines: Iterable[Line]) -> str:
    header = ("decided by", "wrong GO among bad launches", "missed GO among good ones", "mean regret")
    return _table(
        header,
        (
            (
                line.name,
                f"{_share(line.wrong_go)} of {line.wrong_go.n:,}",
                f"{_share(line.missed_go)} of {line.missed_go.n:,}",
                f"{line.regret:.4f} ± {line.regret_error:.4f}",
            )
            for line in lines
        ),
    )


def _share(found: Share) -> str:
    if found.value is None:
        return "–"
    digits = 2 if found.n >= 1_000 else 1
    return f"{found.value:.{digits}%} ± {found.error:.{digits}%}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _plain(value: Any) -> Any:
    if isinstance(value, Share):
        return {"hits": value.hits, "n": value.n, "share": value.value}
    if isinstance(value, RegionScore):
        return {
            "held": _plain(value.held),
            "unlimited": _plain(value.unlimited),
            "missed": list(value.missed),
        }
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(getattr(value, key)) for key in asdict(value)}
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else " ".join(map(str, key)): _plain(v) for key, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
