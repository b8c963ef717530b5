"""A team's own metrics on their way to the models: which can be computed, from which tables, and what a broken one costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_mapping import a_config, inspected

from dagster_pipeline.config.own_metrics import OwnMetric, own_name
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.transform.build import build_warehouse
from dagster_pipeline.transform.mapping import build_mapping
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus

FAST = {"name": "fast", "kind": "share", "better": "higher", "effect": "absolute", "y": "case when first_quote_seconds <= 300 then 1 else 0 end"}  # fmt: skip
CRASHES = {"name": "crashes", "kind": "mean", "better": "lower", "effect": "relative", "from": "/data/crashes.parquet", "request_id": "req", "y": "count(*)"}  # fmt: skip
LATENCY = CRASHES | {"name": "latency", "y": "max(ms)", "from": "/data/latency.parquet"}


def configured(*metrics, **given):
    own = tuple(OwnMetric.model_validate(metric) for metric in metrics)
    return a_config(**given).model_copy(update={"own_metrics": own})


def with_tables(config, **changes):
    """The inspections of a configuration whose own metrics are whole but for the changes."""
    found = inspected(config)
    for metric in config.own_metrics:
        columns = {"req": "VARCHAR", "happened": "TIMESTAMP", "ms": "DOUBLE"} if metric.is_of_table else {}
        relation = f"read('{metric.from_}')" if metric.is_of_table else None
        whole = SourceInspection(
            own_name(metric.name), SourceStatus.OK, relation, columns, columns=dict(metric.columns)
        )
        found[whole.name] = replace(whole, **changes.get(metric.name, {}))
    return found


def mapped(config, **changes):
    return build_mapping(config, with_tables(config, **changes))


def test_own_metrics_stand_beside_the_built_in_ones():
    mapping = mapped(configured(FAST, CRASHES))
    assert [m.name for m in mapping.metrics][-2:] == ["fast", "crashes"]
    told = {m["name"]: m for m in mapping.variables["metrics"]}
    assert (told["fast"]["is_of_table"], told["fast"]["follows"]) == (False, "more")
    assert told["crashes"]["sources"] == ["requests"]
    assert "metric:crashes" not in mapping.variables["sources"]


def test_an_expression_over_what_is_not_mapped_is_absent_for_the_same_reason_as_a_built_in_metric():
    columns = {"requests": ("request_id", "created_at")}
    mapping = mapped(configured(FAST, columns=columns))
    assert mapping.absent_metrics["fast"] == mapping.absent_metrics["quoted_within_30m"]


def test_a_table_that_several_metrics_read_alike_is_read_once():
    other = CRASHES | {"name": "crash_share", "kind": "share", "y": "1"}
    late = CRASHES | {"name": "late", "at": "happened", "horizon": "1h"}
    tables = mapped(configured(CRASHES, other, late)).variables["own_tables"]
    assert [[m["name"] for m in t["metrics"]] for t in tables] == [["crashes", "crash_share"], ["late"]]
    assert [(t["number"], t["horizon"]) for t in tables] == [(1, 0), (2, 3600)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": SourceStatus.MISSING, "row_error": "no such file"}, "no such file"),
        ({"status": SourceStatus.EMPTY, "row_error": "has no row"}, "has no row"),
        ({"absent_columns": ("request_id",), "near_matches": {"request_id": ["request"]}}, "there is no column 'req' (request_id); the table has request"),
    ],
)  # fmt: skip
def test_a_metric_without_its_table_is_absent_and_a_finding(change, why):
    mapping = mapped(configured(CRASHES, FAST), crashes=change)
    assert mapping.absent_metrics["crashes"] == f"could not be evaluated ({why})"
    found = [f for f in mapping.findings if f.source == "metric:crashes"]
    assert [(f.kind, f.note, f.expected) for f in found] == [("not_evaluated", why, False)]
    assert "fast" not in mapping.absent_metrics
    assert mapping.variables["own_tables"] == []


def test_a_time_that_is_none_takes_the_metric_away():
    config = configured(CRASHES | {"at": "ms"})
    types = {"req": "VARCHAR", "ms": "BOOLEAN"}
    mapping = mapped(config, crashes={"physical_columns": types})
    assert "can not be read as a timestamp" in mapping.absent_metrics["crashes"]


class Runner:
    """dbt as far as a build knows it: int_own_metrics breaks while it reads one of these tables."""

    def __init__(self, breaking: str, message: str) -> None:
        self._breaking, self._message = breaking, message
        self.read: list[list[str]] = []

    def build(self, variables, on_node=None):
        del on_node
        names = [m["name"] for t in variables["own_tables"] for m in t["metrics"]]
        self.read.append(names)
        status = NodeStatus.ERROR if self._breaking in names else NodeStatus.SUCCESS
        name = "int_own_metrics"
        return BuildResult(
            (NodeResult(f"model.plumbline.{name}", name, "model", status, self._message, 0.1),)
        )


@pytest.mark.parametrize(
    ("message", "builds"),
    [
        ("Conversion Error: no number\n\nLINE 9: max(ms)", [["crashes", "latency"], ["crashes"]]),
        ("IO Error: /data/latency.parquet is broken", [["crashes", "latency"], ["crashes"]]),
        ("Out of Range Error", [["crashes", "latency"], []]),
        ("Conversion Error\n\nLINE 9: count(*)", [["crashes", "latency"], ["latency"], []]),
    ],
)
def test_a_metric_that_breaks_while_it_is_read_costs_no_other_than_it_must(message, builds):
    config = configured(CRASHES, LATENCY)
    runner = Runner("latency", message)
    build = build_warehouse(config, with_tables(config), runner)
    assert runner.read == builds
    assert "could not be computed" in build.mapping.absent_metrics["latency"]
    assert build.result.broken == ()
    assert not [name for name in build.inspections if name.startswith("metric:")]
