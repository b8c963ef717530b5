"""What the records say: alarms, recall, directions, regions, widths, coverage and decisions.

Pure: records in, figures out. A figure is a share with its count and the standard error of a simulation of that size, so
that a reader can tell a miss from chance.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.truth.plan import ADVERSARIAL, OPEN
from dagster_pipeline.config.metrics import metric_definitions

Record = Mapping[str, Any]
_Z90 = 1.6448536269514722
_TOLERANCE = 1e-9
ANOTHER_ESTIMAND = frozenset({("missing_partition", "requests")})
"""Days that both arms lack leave the cohort: what is estimated is the other days' effect (GAPS.md §1)."""


@dataclass(frozen=True)
class Share:
    """``hits`` of ``n``."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """The share, None of nothing."""
        return self.hits / self.n if self.n else None

    @property
    def error(self) -> float:
        """The simulation's standard error."""
        p = self.value
        return math.sqrt(p * (1 - p) / self.n) if p is not None else math.nan


def share(answers: Iterable[bool]) -> Share:
    """How many of the answers are yes."""
    found = list(answers)
    return Share(sum(found), len(found))


@dataclass(frozen=True)
class Pair:
    """A faulty world's record with its clean twin's."""

    faulty: Record
    twin: Record

    def twin_estimate(self, metric: str) -> float | None:
        """The metric's effect in the world without the faults."""
        found = self.twin["effects"].get(metric)
        return found["value"] if found else None

    def twin_value(self, metric: str) -> float | None:
        """What the faulty world's region must hold: the clean world's estimate, over its full cohort where that is known.

        An estimate rests on what is mature, a region on the full cohort. A pro who came back before seven days were over is
        in the second alone; where the clean world leaves nothing open, its region is the full cohort's value.
        """
        found = self.twin["effects"].get(metric)
        if found and found["lower"] is not None and found["lower"] == found["upper"]:
            return found["lower"]
        return self.twin_estimate(metric)


def clean(records: Iterable[Record]) -> list[Record]:
    """The worlds without faults."""
    return [r for r in records if r["group"] == "clean"]


def pairs(records: Sequence[Record]) -> list[Pair]:
    """Faulty worlds whose twin was looked at too; where an injection found no row to alter there is no fault."""
    by_id = {r["id"]: r for r in records if "error" not in r}
    faulty = [r for r in by_id.values() if r["group"] != "clean" and r["twin"] in by_id]
    return [Pair(r, by_id[r["twin"]]) for r in faulty if all(r["altered"])]


# --- alarms ---------------------------------------------------------------------------------------------------------


def false_alarms(records: Iterable[Record]) -> dict[str, Share]:
    """Clean worlds with any gap above info, in all and by kind."""
    worlds = clean(records)
    kinds = Counter(
        kind for r in worlds for kind in {g["kind"] for g in r["gaps"] if g["severity"] != "info"}
    )
    any_gap = share(any(g["severity"] != "info" for g in r["gaps"]) for r in worlds)
    return {"any kind": any_gap} | {kind: Share(count, len(worlds)) for kind, count in sorted(kinds.items())}


@dataclass(frozen=True)
class Recall:
    """Of the planted gaps of a kind at a rate: how many are in the register, and how many with the exact count."""

    found: Share
    exact: Share


def recall(records: Sequence[Record]) -> dict[tuple[str, float], Recall]:
    """By kind and rate, in worlds with that one fault: every place of the kind; the kind itself where rows can't be counted."""
    answers: dict[tuple[str, float], list[tuple[bool, bool | None]]] = defaultdict(list)
    for pair in pairs(records):
        if len(pair.faulty["injections"]) == 1:
            injection = pair.faulty["injections"][0]
            answers[injection["kind"], injection["rate"]] += _answers(pair.faulty, injection["kind"])
    return {
        key: Recall(
            share(found for found, _ in given), share(exact for _, exact in given if exact is not None)
        )
        for key, given in sorted(answers.items())
    }


def _answers(record: Record, kind: str) -> list[tuple[bool, bool | None]]:
    """Whether each place where the kind was planted is registered, and its count exact."""
    registered = _registered(record)
    return [
        (tuple(place) in registered, None if count is None else registered.get(tuple(place)) == count)
        for *place, count in record["planted"]
        if place[0] == kind
    ]


def _registered(record: Record) -> dict[tuple[str, str | None, str | None], int | None]:
    """Rows affected by place, of the gaps that are not a segment's."""
    return {
        (g["kind"], g["table"], g["column"]): g["affected"] for g in record["gaps"] if g["segment"] is None
    }


# --- directions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Directions:
    """Of the impacts whose truth is known: what was proved and whether rightly, and what was expected."""

    proved: Counter[str]
    wrong: tuple[str, ...]
    expected_right: Share
    no_guess: Share


def directions(records: Sequence[Record]) -> Directions:
    """Impacts of worlds with one fault: the bias is the unmitigated figure less the clean twin's estimate."""
    proved: Counter[str] = Counter()
    wrong: list[str] = []
    right: list[bool] = []
    guessed: list[bool] = []
    for pair, gap, impact in _impacts(records):
        bias = _oriented(impact["metric"], impact["unmitigated"] - pair.twin_estimate(impact["metric"]))
        proved[impact["direction"]] += 1
        if not _is_right(pair, impact, bias):
            wrong.append(
                f"{pair.faulty['id']} {gap['kind']} {gap['table']} {impact['metric']}: {impact['direction']}"
            )
        if abs(bias) > _standard_error(pair.twin["effects"][impact["metric"]]):
            guessed.append(impact["expected"] in ("inflates", "deflates"))
            if guessed[-1]:
                right.append((impact["expected"] == "inflates") == (bias > 0))
    return Directions(proved, tuple(wrong), share(right), share(not g for g in guessed))


def _impacts(records: Sequence[Record]) -> Iterator[tuple[Pair, Record, Record]]:
    for pair in pairs(records):
        if len(pair.faulty["injections"]) != 1 or another_estimand(pair):
            continue
        for gap in pair.faulty["gaps"]:
            # What a gap proves holds with the others repaired: an echo of another kind proves nothing of the whole.
            for impact in gap["impacts"] if gap["kind"] == pair.faulty["injections"][0]["kind"] else ():
                if impact["unmitigated"] is not None and pair.twin_estimate(impact["metric"]) is not None:
                    yield pair, gap, impact


def _is_right(pair: Pair, impact: Record, bias: float) -> bool:
    slack = _TOLERANCE * max(1.0, abs(impact["unmitigated"]))
    said = impact["direction"]
    if said == "none":
        return abs(bias) <= pair.faulty["negligible"].get(impact["metric"], 0.0) + slack
    if said == "toward_zero":
        return abs(impact["unmitigated"]) <= abs(pair.twin_estimate(impact["metric"]) or 0.0) + slack
    return said == "either" or (bias >= -slack if said == "inflates" else bias <= slack)


def _oriented(metric: str, value: float) -> float:
    return value if metric_definitions()[metric].better == "higher" else -value


def _standard_error(effect: Record) -> float:
    ends = effect["ci_lower"], effect["ci_upper"]
    return math.inf if None in ends else (ends[1] - ends[0]) / (2 * _Z90)


# --- regions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RegionScore:
    """Whether the joint regions hold the clean twin's estimates, and how often they have no limit."""

    held: Share
    unlimited: Share
    missed: tuple[str, ...]


def regions(records: Sequence[Record], choose: Callable[[Pair], bool]) -> RegionScore:
    """Every metric of every chosen faulty world; a region without an end there holds everything on that side."""
    held: list[bool] = []
    unlimited: list[bool] = []
    missed: list[str] = []
    for pair in filter(choose, pairs(records)):
        for metric, effect in pair.faulty["effects"].items():
            truth = pair.twin_value(metric)
            if truth is None:
                continue
            inside = _holds(effect["lower"], effect["upper"], truth)
            held.append(inside)
            unlimited.append(effect["lower"] is None and effect["upper"] is None)
            if not inside:
                missed.append(f"{pair.faulty['id']} {_faults(pair.faulty)} {metric}")
    return RegionScore(share(held), share(unlimited), tuple(missed))


def arms_known(pair: Pair) -> bool:
    """Whether every cohort request has its arm: no design share has to stand in."""
    return not another_estimand(pair) and all(
        g["kind"] != "missing_variant" or not g["residual"] for g in pair.faulty["gaps"]
    )


def only_the_split_known(pair: Pair) -> bool:
    """Whether some requests have no arm, so that only the design's share limits where they belong."""
    return not another_estimand(pair) and not arms_known(pair)


def everything_was_found(pair: Pair) -> bool:
    """Whether each fault is in the register: one that leaves no trace can be in no region."""
    kinds = {i["kind"] for i in pair.faulty["injections"]}
    return all(found for kind in kinds for found, _ in _answers(pair.faulty, kind))


def coverage(records: Sequence[Record], metric: str) -> tuple[Share, Share]:
    """Whether region and sampling error hold the true effect at adversarial edges: on both sides, and on the tight one."""
    both: list[bool] = []
    tight: list[bool] = []
    for pair in pairs(records):
        at_edge = [
            i
            for i in pair.faulty["injections"]
            if (i["kind"], i["place"]) in OPEN and i["mechanism"] in ADVERSARIAL
        ]
        effect = pair.faulty["effects"].get(metric)
        if len(at_edge) != 1 or len(pair.faulty["injections"]) != 1 or not effect:
            continue
        if (
            another_estimand(pair)
            or None in (effect["gate_lower"], effect["gate_upper"])
            or not everything_was_found(pair)
        ):
            continue
        truth = pair.faulty["truth"][metric]
        if truth is None:
            continue
        above, below = effect["gate_lower"] <= truth, truth <= effect["gate_upper"]
        both.append(above and below)
        # The truth lies at the region's lower end where the missing make the observed look better than it is.
        nearer_low = abs(truth - effect["lower"]) <= abs(effect["upper"] - truth)
        tight.append(above if nearer_low else below)
    return share(both), share(tight)


def width_ratios(records: Sequence[Record]) -> dict[str, tuple[float, int]]:
    """Mean of our width over the sharp one by brute force, by metric, where both have two ends and something is open."""
    found: dict[str, list[float]] = defaultdict(list)
    for pair in pairs(records):
        for metric, (low, high) in pair.faulty.get("brute", {}).items():
            effect = pair.faulty["effects"].get(metric)
            if (
                effect is None
                or None in (low, high, effect["lower"], effect["upper"])
                or high - low <= _TOLERANCE
            ):
                continue
            found[metric].append((effect["upper"] - effect["lower"]) / (high - low))
    return {
        metric: (math.fsum(ratios) / len(ratios), len(ratios)) for metric, ratios in sorted(found.items())
    }


def another_estimand(pair: Pair) -> bool:
    return any(
        (i["kind"], i["place"].partition("/")[0]) in ANOTHER_ESTIMAND for i in pair.faulty["injections"]
    )


def _holds(lower: float | None, upper: float | None, value: float) -> bool:
    slack = _TOLERANCE * max(1.0, abs(value))
    return (lower is None or lower <= value + slack) and (upper is None or value <= upper + slack)


def _faults(record: Record) -> str:
    return " + ".join(
        f"{i['kind']} {i['place']} {i['rate']:.1%} {i['mechanism']}" for i in record["injections"]
    )


def by_fault(records: Sequence[Record]) -> dict[str, RegionScore]:
    """The regions' score for each kind alone."""
    kinds = sorted({p.faulty["injections"][0]["kind"] for p in pairs(records)})
    return {
        kind: regions(
            records,
            lambda p, kind=kind: (
                [i["kind"] for i in p.faulty["injections"]] == [kind] and not another_estimand(p)
            ),
        )
        for kind in kinds
    }
