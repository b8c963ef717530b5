"""A metric as the statistics take it, with the definition it comes from: what a gap does to it depends on both."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind


@dataclass(frozen=True)
class DefinedMetric(Metric):
    """A metric that carries its definition; one of plumbline.yml is known by nothing else."""

    definition: MetricDefinition | None = None


def statistic_of(definition: MetricDefinition, effect: str | None = None) -> Metric:
    """The metric as the statistics know it, in its default effect or the one given.

    A mean or ratio of a team's own may be below zero.
    """
    kind = MetricKind(definition.kind)
    may_be_negative = definition.is_own and kind in (MetricKind.MEAN, MetricKind.RATIO)
    return DefinedMetric(
        name=definition.name,
        kind=kind,
        better=Better(definition.better),
        effect=EffectKind(effect or definition.effect),
        scale=definition.scale,
        quantile=definition.quantile,
        support=(0.0, 1.0) if kind is MetricKind.SHARE else (None if may_be_negative else 0.0, None),
        definition=definition,
    )


def definition_of(metric: Metric) -> MetricDefinition:
    """The definition the metric comes from; of a metric that carries none, the built-in one of its name. Raises KeyError."""
    found = metric.definition if isinstance(metric, DefinedMetric) else None
    return found or metric_definitions()[metric.name]


def is_of_pros(metric: Metric) -> bool:
    """Whether the metric's unit is the pro, whom no arm was drawn for, rather than the request."""
    if isinstance(metric, DefinedMetric) and metric.definition is not None:
        return metric.definition.unit == "pro"
    definition = metric_definitions().get(metric.name)
    return definition is not None and definition.unit == "pro"
