"""How grave the missing variants would be without the join: with the arms that the quotes alone tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.criteria.delta_star import Flip, flip
from dagster_pipeline.criteria.severity import Assessment, Stakes, severity
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.evidence import EvidenceReader, statistic_of
from dagster_pipeline.statistics.evidence import MetricKind
from dagster_pipeline.statistics.levels import estimate
from dagster_pipeline.statistics.regions import label_region


def before_the_join(
    reader: EvidenceReader, brief: Brief, demands: Sequence[Demand], confidence: float
) -> Assessment | None:
    """The grade the gap would have at least: rules on shares alone are weighed; None where there is none to weigh.

    Of the other metrics the warehouse keeps no histogram by the quotes' arms; they could only make it graver.
    """
    flips = tuple(_flips(reader, demands, confidence))
    passes = all(demand.base is Outcome.PASSED for demand in demands)
    return severity(Stakes(flips=flips, joint=(), base_passes=passes), brief.policy) if flips else None


def unjoined_sentence(before: Assessment, now: Severity) -> str | None:
    """What the join is worth, where it made the gap milder."""
    if before.severity.rank <= now.rank:
        return None
    grade = "a blocker" if before.severity is Severity.BLOCKER else f"at least {before.severity.value}"
    reason = before.reason[0].lower() + before.reason[1:]
    return f"Without the join, by the variants of the quotes alone, it would be {grade}: {reason}"


def _flips(reader: EvidenceReader, demands: Sequence[Demand], confidence: float) -> Iterator[Flip]:
    """What the unlabelled could do to each rule, from the estimate that the quotes' arms give."""
    for demand in demands:
        if demand.definition.kind != MetricKind.SHARE.value or demand.definition.unit == "pro":
            continue
        evidence = reader.from_quotes(statistic_of(demand.definition, demand.effect))
        arms = (evidence.arms[demand.treatment], evidence.arms[evidence.control])
        found = estimate(*arms, evidence.metric, confidence, evidence.clustered)
        if found.value is not None:
            yield flip(demand.rule, found, label_region(evidence, demand.treatment, confidence))
