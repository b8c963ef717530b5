"""Sampled logging: sources that hold a sample of what happened, as declared or as the ledger shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import UNKNOWN, Measurements
from dagster_pipeline.statistics.differential import differential
from dagster_pipeline.statistics.sampled_logging import contradiction, undersampled_arms

KIND = "sampled_logging"
LOG = "quote_events"

_Pairs = Mapping[str, tuple[int, int]]
"""Arm → (request–pro pairs quoted, of them logged)."""


def found_sampled_logging(
    measurements: Measurements, experiments: Sequence[Experiment]
) -> Iterator[FoundGap]:
    """One gap per experiment and source that is sampled: declared (a rate below 1), or the event log found so.

    The log is found sampled where it holds less than 0.9 of an arm's quoted pairs, with a false-alarm rate of 0.001
    for the experiment; without experiments all pairs are one arm. Its rows are pairs; none is left open
    where the unsampled table dates its quotes. Of other sources nothing unsampled is known to count by.
    """
    pairs = _pairs_by_experiment(measurements)
    if not experiments and "" in pairs:
        yield from _of_log(None, {}, pairs[""], measurements)
    for experiment in experiments:
        arms = [*(arm for arm, share in experiment.split.items() if share > 0), UNKNOWN]
        held = {arm: pairs[experiment.id][arm] for arm in arms if arm in pairs.get(experiment.id, {})}
        rates = experiment.sampling.get(LOG, {})
        yield from _of_log(experiment, rates, held, measurements)
        for source, declared in experiment.sampling.items():
            if source != LOG and _is_sampled(declared):
                yield _declared_alone(experiment, source, declared, measurements)


def _pairs_by_experiment(measurements: Measurements) -> dict[str, dict[str, tuple[int, int]]]:
    """Pairs by experiment and arm; those outside every cohort count only where there is no experiment."""
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in measurements.tables.get("logged_pairs", ()):
        experiment, arm = row["experiment_id"] or "", row["variant"]
        if arm is None and experiment:
            continue
        n, logged = found[experiment].get(arm or "", (0, 0))
        found[experiment][arm or ""] = (n + row["n_transactions"], logged + row["n_logged"])
    return found


def _of_log(
    experiment: Experiment | None, rates: Mapping[str, float], pairs: _Pairs, measurements: Measurements
) -> Iterator[FoundGap]:
    compared = {arm: pair for arm, pair in pairs.items() if pair[0] and arm != UNKNOWN}
    if not compared:
        if experiment and _is_sampled(rates):
            yield _declared_alone(experiment, LOG, rates, measurements)
        return
    if not (_is_sampled(rates) or undersampled_arms(compared)):
        return
    missing = {arm: (n - logged, n) for arm, (n, logged) in pairs.items() if n}
    affected = sum(gone for gone, _ in missing.values())
    quotes = measurements.sources.get("quotes")
    has_unsampled = quotes is not None and quotes.newest_at is not None
    yield FoundGap(
        KIND,
        experiment.id if experiment else None,
        LOG,
        None,
        None,
        sum(n for _, n in missing.values()),
        affected,
        0 if has_unsampled else affected,
        by_variant={arm: gone / n for arm, (gone, n) in missing.items() if arm},
        differential=differential({arm: missing[arm] for arm in compared}).differential,
        note=_note(pairs, rates),
    )


def _note(pairs: _Pairs, rates: Mapping[str, float]) -> str:
    n, logged = (sum(pair[i] for pair in pairs.values()) for i in (0, 1))
    whole = f"the event log holds {logged:,} of {n:,} quoted request–pro pairs ({logged / n:.1%})"
    arms = [_arm_words(arm, pair, rates) for arm, pair in pairs.items() if arm and pair[0]]
    return f"{whole}: {', '.join(arms)}" if arms else whole


def _arm_words(arm: str, pair: tuple[int, int], rates: Mapping[str, float]) -> str:
    found = f"{arm} {pair[1] / pair[0]:.1%}"
    if not rates or arm == UNKNOWN:
        return found
    declared = rates.get(arm, 1.0)
    p = contradiction(*pair, declared)
    said = f"declared {declared:.1%}" if arm in rates else "no rate declared"
    return f"{found} ({said})" if p is None else f"{found} ({said}, which the log contradicts: {_p_words(p)})"


def _p_words(p: float) -> str:
    return f"p = {p:.2g}" if p > 0 else "p < 1e-300"


def _declared_alone(
    experiment: Experiment, source: str, rates: Mapping[str, float], measurements: Measurements
) -> FoundGap:
    """A source of which only the declaration is known: rows that were never logged can't be counted.

    Weights repair counts. What needs the first of a request's rows is repaired (residual 0) for quotes whose event log has
    them all, and left open (residual None) else.
    """
    said = ", ".join(f"{arm} {rates.get(arm, 1.0):.1%}" for arm in experiment.split)
    note = f"{source} is declared a sample: {said}"
    fact = measurements.sources.get(source)
    log = measurements.sources.get(LOG)
    has_log = log is not None and log.rows_kept > 0 and not _is_sampled(experiment.sampling.get(LOG, {}))
    left = 0 if source == "quotes" and has_log else None
    total = fact.rows_total if fact else None
    return FoundGap(KIND, experiment.id, source, None, None, total, None, left, note=note)


def _is_sampled(rates: Mapping[str, float]) -> bool:
    return any(rate < 1 for rate in rates.values())
