"""`metrics:` of plumbline.yml: what a team may say of its own metrics, and what is refused with which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.mapping import content_hash
from dagster_pipeline.config.metrics import MetricTable, metric_definitions
from dagster_pipeline.config.own_metrics import request_metric_columns

EXPRESSION = "{name: fast, kind: share, better: higher, effect: absolute, y: case when first_quote_seconds <= 300 then 1 else 0 end"
TABLE = "{name: crashes, kind: mean, better: lower, effect: relative, from: crashes.parquet, request_id: req"


def with_metrics(text: str, *entries: str) -> str:
    return text + "metrics:\n" + "".join(f"  - {entry}\n" for entry in entries)


def only(config, name):
    return config.metrics[name]


def test_an_expression_becomes_a_metric_like_any_other(load, example):
    found = only(load(with_metrics(example, EXPRESSION + ", horizon: 5m, label: Quoted at once}")), "fast")
    assert (found.kind, found.better, found.effect, found.horizon) == ("share", "higher", "absolute", 300)
    assert found.y == "case when first_quote_seconds <= 300 then 1 else 0 end"
    assert found.label == "Quoted at once"
    assert found.is_own
    assert found.table is None


def test_the_built_in_metrics_come_first_and_stay_as_they_are(load, example):
    found = load(with_metrics(example, EXPRESSION + "}")).metrics
    assert list(found) == [*metric_definitions(), "fast"]
    assert {name: found[name] for name in metric_definitions()} == metric_definitions()
    assert "fast" not in metric_definitions()


def test_what_an_expression_needs_is_told_by_the_columns_it_names(load, example):
    text = "{name: m, kind: mean, better: lower, effect: absolute, y: n_hires + N_Quotes}"
    assert only(load(with_metrics(example, text)), "m").needs == ("hires.request_id", "quotes.request_id")
    assert only(load(with_metrics(example, text)), "m").y == "n_hires + n_quotes"
    given = EXPRESSION + ", needs: [quotes.request_id, quotes.quoted_at]}"
    assert only(load(with_metrics(example, given)), "fast").needs == ("quotes.request_id", "quotes.quoted_at")


def test_every_column_an_expression_may_name_needs_something(load):
    assert {"n_quotes", "first_quote_seconds", "gmv"} <= set(request_metric_columns())
    assert all(column.needs for column in request_metric_columns().values())


def test_a_table_is_told_apart_from_its_place_on_this_machine(load, example, file):
    config = load(
        with_metrics(
            example, TABLE + ", at: crashed_at, y: count(*), where: not is_test, key: id, scale: 100}"
        )
    )
    found = only(config, "crashes")
    assert found.table == MetricTable("crashes.parquet", "req", "crashed_at", "id", "not is_test", "UTC", 0.0)
    assert config.own_metrics[0].from_ == str(file.parent / "crashes.parquet")
    assert str(file.parent) not in str(found.document())


def test_a_request_without_a_row_has_nothing_unless_the_file_says_that_it_is_not_known(load, example):
    assert only(load(with_metrics(example, TABLE + ", y: count(*)}")), "crashes").table.empty == 0.0
    assert only(load(with_metrics(example, TABLE + ", y: count(*), empty: 2}")), "crashes").table.empty == 2.0
    assert (
        only(load(with_metrics(example, TABLE + ", y: count(*), empty: null}")), "crashes").table.empty
        is None
    )


def test_another_wording_is_another_definition(load, example):
    one = only(load(with_metrics(example, TABLE + ", y: count(*)}")), "crashes")
    other = only(load(with_metrics(example, TABLE + ", y: count(*), where: not is_test}")), "crashes")
    assert one.document() != other.document()
    assert replace(other, table=one.table).document() == one.document()


def test_the_hash_of_a_configuration_holds_its_own_metrics_and_not_where_their_files_lie(
    load, example, tmp_path
):
    text = with_metrics(example, TABLE + ", y: count(*)}")
    here = content_hash(load(text))
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "plumbline.yml"
    other.write_text(text, encoding="utf-8")
    assert content_hash(load_config(other, {})) == here
    assert content_hash(load(text.replace("count(*)", "count(ms)"))) != here
    assert content_hash(load(example + "metrics: []\n")) == content_hash(load(example))


def test_how_fresh_a_table_must_be_is_told_by_its_times(load, refused, example):
    dated = TABLE + ", y: count(*), at: crashed_at, freshness: 24h}"
    assert only(load(with_metrics(example, dated)), "crashes").table.freshness == 86400
    (line,) = refused(with_metrics(example, TABLE + ", y: count(*), freshness: 24h}"))
    assert "freshness: needs at" in line


@pytest.mark.parametrize(
    ("kind", "y", "follows"),
    [
        ("share", "case when first_quote_seconds <= 300 then 1 else 0 end", "more"),
        ("share", "CASE  WHEN n_quotes >= 2 AND n_hires > 0 THEN 1 ELSE 0 END", "more"),
        ("share", "case when n_quotes = 0 then 1 else 0 end", "less"),
        ("share", "case when n_quotes > 0 then 0 else 1 end", "less"),
        ("share", "case when first_quote_seconds is null then 1 else 0 end", "less"),
        ("share", "case when n_quotes = 1 then 1 else 0 end", "either"),
        ("share", "case when n_quotes > 0 and n_hires = 0 then 1 else 0 end", "either"),
        ("share", "case when first_quote_seconds > 300 then 1 else 0 end", "either"),
        ("share", "case when first_quote_seconds <= 300 then 1 else 1 end", "either"),
        ("share", "case when n_quotes - n_hires > 0 then 1 else 0 end", "either"),
        ("mean", "n_quotes", "more"),
        ("mean", "n_quotes + 2 * n_hires", "more"),
        ("mean", "gmv / 100", "more"),
        ("mean", "n_quotes - n_hires", "either"),
        ("mean", "-1 * n_quotes", "either"),
        ("mean", "first_quote_seconds", "either"),
        ("quantile", "first_quote_seconds / 60", "more"),
        ("quantile", "n_quotes", "less"),
    ],
)
def test_how_an_expression_moves_is_taken_from_its_form_or_not_at_all(load, example, kind, y, follows):
    rest = ", quantile: 0.9" if kind == "quantile" else ""
    text = f'{{name: m, kind: {kind}, better: lower, effect: absolute, y: "{y}"{rest}}}'
    assert only(load(with_metrics(example, text)), "m").follows == follows


def test_a_brief_may_decide_by_an_own_metric_in_its_own_effect(load, example):
    text = example.replace("  guardrails:\n", "  guardrails:\n    - {metric: crashes, max_increase: 0.1}\n")
    config = load(with_metrics(text, TABLE + ", y: count(*)}"))
    assert config.briefs[0].guardrails[0].effect == "relative"


def test_a_rule_on_a_metric_nobody_defines_lists_the_own_ones_too(refused, example):
    text = example.replace("metric: hire_rate_7d,", "metric: crashs,")
    (line,) = refused(with_metrics(text, TABLE + ", y: count(*)}"))
    assert "must be a metric, not 'crashs' (did you mean 'crashes'?)" in line


def test_a_share_of_an_own_metric_has_no_limit_in_per_cent(refused, example):
    text = example.replace("  guardrails:\n", "  guardrails:\n    - {metric: fast, max_decrease: 5}\n")
    (line,) = refused(with_metrics(text, EXPRESSION + "}"))
    assert "fast is a share; one percentage point is 0.01" in line


def test_an_own_metric_that_is_refused_is_refused_once(refused, example):
    text = example.replace("metric: hire_rate_7d,", "metric: crashes,")
    (line,) = refused(with_metrics(text, TABLE + ", y: count(*), scale: 0}"))
    assert "metrics[0].scale: must be above 0" in line


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{name: Fast, kind: share, better: higher, effect: absolute, y: n_quotes}", "must be lower_snake_case"),
        ("{name: a__b, kind: share, better: higher, effect: absolute, y: n_quotes}", "must be lower_snake_case"),
        ("{name: gmv_per_request, kind: mean, better: higher, effect: absolute, y: gmv}", "is a built-in metric's name"),
        ("{name: m, kind: median, better: higher, effect: absolute, y: gmv}", "must be one of share, mean, ratio, quantile"),
        ("{name: m, kind: quantile, better: lower, effect: absolute, y: gmv}", "quantile: is for metrics of kind quantile"),
        ("{name: m, kind: ratio, better: lower, effect: absolute, y: gmv}", "d: is for metrics of kind ratio"),
        ("{name: m, kind: quantile, quantile: 0.5, better: lower, effect: absolute, y: n_quotes + n_hires}", "for a quantile"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: n_quote}", "names 'n_quote', which is no column"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: n_contested_quotes}", "no column of request_metrics that a metric may use; allowed: first_quote_seconds, n_quotes"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: '1'}", "names no column of request_metrics"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: n_quotes, empty: 0}", "empty: is for metrics with a table"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: n_quotes, needs: [quotes]}", "must name source.column"),
        ("{name: m, kind: mean, better: lower, effect: absolute, y: \"n_quotes || 'n_hires'\"}", "without 'n_hires'"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, y: 'max(a); drop table t'}", "a semicolon separates two"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, y: 'max(a), min(a)'}", "must be one expression"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, y: 'max(a)) from t --'}", "without comments"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, y: '(select 1)'}", "a query of its own"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, y: count(*)}", "request_id: is required"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, query: select 1, request_id: r, y: count(*)}", "either from"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, horizon: 1h, y: count(*)}", "needs at"),
        ("{name: m, kind: share, better: lower, effect: absolute, from: t.csv, request_id: r, empty: 0.5, y: max(a)}", "must be 0, 1 or null"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, empty: none, y: max(a)}", "must be a number, or null"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, needs: [quotes.quoted_at], y: max(a)}", "this metric has a table"),
        ("{name: m, kind: mean, better: lower, effect: absolute, from: t.csv, request_id: r, y: max(a), maximum: 3}", "unknown key"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_metric_is_refused_by_key(refused, example, entry, words):
    lines = refused(with_metrics(example, entry))
    assert any(words in line and "metrics[0]" in line for line in lines), lines


def test_one_name_is_one_metric(refused, example):
    lines = refused(with_metrics(example, EXPRESSION + "}", EXPRESSION + "}"))
    assert any("metrics[1].name: must be unique; 'fast' is already metrics[0].name" in line for line in lines)


def test_a_parity_may_not_take_the_name_an_own_metric_is_filed_under(refused, example):
    text = (
        example
        + "parity:\n  - {id: 'metric:fast', left: {from: a, key: k, value: v}, right: {from: b, key: k, value: v}}\n"
    )
    assert any("gaps of metrics are filed" in line for line in refused(text))
