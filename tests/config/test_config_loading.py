"""What a valid plumbline.yml becomes."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from dagster_pipeline.config.brief import Criterion, Guardrail, SeverityPolicy
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import Warehouse, Window


def test_the_design_example_loads_with_every_value(load, example, tmp_path):
    config = load(example)

    assert config.version == 1
    assert config.warehouse == Warehouse(engine="duckdb", path=tmp_path / ".plumbline/warehouse.duckdb")
    assert config.as_of == datetime(2026, 11, 6, tzinfo=UTC)
    assert config.directory == tmp_path
    assert config.file == tmp_path / "plumbline.yml"
    assert list(config.sources)[:4] == ["requests", "quotes", "hires", "assignments"]
    assert list(config.sources)[4:] == [
        "quote_events",
        "messages",
        "support_tickets",
        "spam_flags",
        "dashboards",
    ]
    assert config.thresholds.value("null_share") == 0.005


def test_the_examples_sources_have_their_files_columns_and_objectives(load, example, tmp_path):
    sources = load(example).sources
    requests = sources["requests"]

    assert requests.from_ == str(tmp_path / "requests.parquet")
    assert requests.is_file
    assert list(requests.columns) == [
        "request_id",
        "created_at",
        "customer_id",
        "session_id",
        "category",
        "geo",
    ]
    assert (requests.timezone, requests.freshness, requests.where) == (
        "UTC",
        timedelta(hours=24),
        "not is_test",
    )
    assert requests.query is None
    assert sources["hires"].freshness == timedelta(hours=36)
    assert sources["messages"].freshness is None
    assert sources["dashboards"].columns == {n: n for n in ("metric", "variant", "value", "as_of")}


def test_the_examples_experiment_has_its_arms_and_window_in_utc(load, example):
    (experiment,) = load(example).experiments

    assert (experiment.id, experiment.unit, experiment.control) == ("quoting_v2", "request", "control")
    assert experiment.split == {"control": 0.5, "treatment": 0.5}
    assert experiment.treatments == ("treatment",)
    assert experiment.window == Window(
        start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC)
    )
    assert experiment.sampling == {"quote_events": {"treatment": 0.1}}


def test_the_examples_brief_has_its_criteria_and_guardrails(load, example):
    (brief,) = load(example).briefs

    assert (brief.experiment, brief.confidence, brief.segments) == ("quoting_v2", 0.9, "category")
    assert brief.question == "Expand the new quoting workflow now, by cohort, or hold?"
    assert brief.segment_columns == ("category",)
    assert brief.criteria == (
        Criterion(metric="ttfq_median", effect="relative", min_improvement=0.10, min_bound=0.05),
        Criterion(metric="hire_rate_7d", effect="absolute", min_delta=-0.005, min_bound=-0.010),
    )
    assert brief.guardrails == (
        Guardrail(metric="support_tickets_per_100_requests", effect="relative", max_increase=0.10),
        Guardrail(metric="spam_flags_per_1000_quotes", effect="relative", max_increase=0.05),
    )
    assert brief.policy == SeverityPolicy(blocker_at=0.25, high_at=1.0, medium_at=2.0)
    assert brief.max_age == timedelta(days=7)


def test_only_requests_is_needed(load, minimal):
    before = datetime.now(UTC)
    config = load(minimal)

    assert before <= config.as_of <= datetime.now(UTC)
    assert (config.experiments, config.briefs) == ((), ())
    assert config.sources["requests"].columns == {"request_id": "id", "created_at": "made"}
    assert config.sources["requests"].timezone == "UTC"


def test_a_key_without_a_value_is_one_left_out(load, minimal):
    config = load(
        minimal.replace("}}", "}, freshness: , timezone: , where: }") + "brief:\nthresholds:\nas_of:\n"
    )

    assert config.sources["requests"].timezone == "UTC"
    assert config.briefs == ()
    assert config.as_of.tzinfo is UTC


def test_the_configuration_cannot_be_changed(load, minimal):
    config = load(minimal)
    with pytest.raises(ValidationError, match="frozen"):
        config.version = 1
    with pytest.raises(ValidationError, match="frozen"):
        config.sources["requests"].timezone = "Europe/Berlin"


def test_a_brief_without_an_experiment_is_about_the_only_one(load, example):
    assert load(example.replace("  experiment: quoting_v2\n", "")).briefs[0].experiment == "quoting_v2"


def test_a_criterion_without_an_effect_takes_the_metrics_own(load, example):
    brief = load(example.replace("effect: relative, ", "").replace("effect: absolute, ", "")).briefs[0]

    assert [criterion.effect for criterion in brief.criteria] == ["relative", "absolute"]
    assert [guardrail.effect for guardrail in brief.guardrails] == ["relative", "relative"]


def test_several_briefs_stand_in_a_list(load, minimal):
    config = load(
        minimal
        + """\
experiments:
  - {id: a, control: x, split: {x: 0.5, y: 0.5}}
  - {id: 7, control: x, split: {x: 0.5, y: 0.5}}
brief:
  - {experiment: a, criteria: [{metric: quoted, min_delta: 0}]}
  - {experiment: 7, guardrails: [{metric: refund_rate, max_increase: 0.01}], segments: [category, geo]}
"""
    )

    assert [brief.experiment for brief in config.briefs] == ["a", "7"]
    assert config.brief("7").segment_columns == ("category", "geo")
    assert config.experiment("7").id == "7"
    assert config.brief("b") is config.experiment("b") is None


@pytest.mark.parametrize(
    ("split", "control", "arms"),
    [
        ("{' Control ': 0.5, TREATMENT: 0.5}", "CONTROL", ["control", "treatment"]),
        ("{off: 0.5, on: 0.5}", "off", ["off", "on"]),
        ("{no: 0.5, yes: 0.5}", "no", ["no", "yes"]),
        ("{0: 0.5, 1: 0.5}", "0", ["0", "1"]),
        ("{true: 0.5, false: 0.5}", "false", ["true", "false"]),
        ("{a: 0.1, b: 0.2, c: 0.7}", "a", ["a", "b", "c"]),
    ],
)
def test_arms_are_trimmed_and_lower_cased_whatever_yaml_thinks_they_are(load, minimal, split, control, arms):
    config = load(minimal + f"experiments: [{{id: e, control: {control}, split: {split}}}]\n")

    assert list(config.experiments[0].split) == arms
    assert config.experiments[0].control in arms


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("45s", timedelta(seconds=45)),
        ("2w", timedelta(weeks=2)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_durations(load, minimal, written, meant):
    assert load(minimal.replace("}}", f"}}, freshness: {written}}}")).sources["requests"].freshness == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-06", datetime(2026, 11, 6, tzinfo=UTC)),
        ("2026-11-06T06:30:00", datetime(2026, 11, 6, 6, 30, tzinfo=UTC)),
        ("2026-11-06 06:30:00+02:00", datetime(2026, 11, 6, 4, 30, tzinfo=UTC)),
        ("'2026-11-06T06:30:00.25Z'", datetime(2026, 11, 6, 6, 30, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_moments_are_in_utc(load, minimal, written, meant):
    assert load(minimal + f"as_of: {written}\n").as_of == meant


def test_thresholds_of_a_column_come_before_those_of_its_table_and_the_default(load, minimal):
    thresholds = load(
        minimal
        + """\
thresholds:
  null_share: 0.01
  quotes: {null_share: 0.02, duplicate_share: 0.03, price: {null_share: 0.04}}
"""
    ).thresholds

    assert thresholds.value("null_share") == 0.01
    assert thresholds.value("null_share", "hires", "amount") == 0.01
    assert thresholds.value("null_share", "quotes", "variant") == 0.02
    assert thresholds.value("null_share", "quotes", "price") == 0.04
    assert thresholds.value("duplicate_share", "quotes") == 0.03
    assert thresholds.value("multiple_exposure_share") == 0.01
    with pytest.raises(KeyError, match="null_share"):
        thresholds.value("nul_share")


def test_the_environment_fills_in_references(load, minimal):
    config = load(
        minimal.replace("requests.csv", "${DATA}/${NAME:-requests}.csv") + "as_of: ${CLOCK:-2026-01-02}\n",
        DATA="/data",
    )

    assert config.sources["requests"].from_ == "/data/requests.csv"
    assert config.as_of == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_default_stands_in_for_an_empty_variable_and_a_set_one_wins(load, minimal):
    text = minimal.replace("requests.csv", "${NAME:-other}.csv")

    assert load(text, NAME="").sources["requests"].from_.endswith("/other.csv")
    assert load(text, NAME="mine").sources["requests"].from_.endswith("/mine.csv")


def test_numbers_from_the_environment_are_numbers(load, example):
    assert load(example.replace("0.90", "${CONFIDENCE}"), CONFIDENCE="0.8").briefs[0].confidence == 0.8


def test_a_variables_text_is_not_read_for_references_again(load, minimal):
    config = load(minimal.replace("requests.csv", "${A}.csv"), A="${B}", B="never")
    assert config.sources["requests"].from_.endswith("/${B}.csv")


def test_a_comment_may_speak_of_variables_that_are_not_set(load, minimal):
    assert load("# set ${NOTHING} first\n" + minimal).version == 1


@pytest.mark.parametrize(
    "name", ["requests.csv", "a/b.CSV.gz", "r.parquet", "r.json", "2026-*", "part-[0-9]", "r.jsonl"]
)
def test_files_and_globs_are_taken_from_the_files_folder(load, minimal, tmp_path, name):
    source = load(minimal.replace("requests.csv", f"'{name}'")).sources["requests"]
    assert (source.from_, source.is_file) == (f"{tmp_path}/{name}", True)


@pytest.mark.parametrize("name", ["raw.requests", "requests", "prod.raw.requests_2026"])
def test_relations_keep_their_name(load, minimal, name):
    source = load(minimal.replace("requests.csv", name)).sources["requests"]
    assert (source.from_, source.is_file) == (name, False)


@pytest.mark.parametrize("name", ["/abs/requests.csv", "s3://bucket/requests.parquet"])
def test_absolute_files_and_addresses_stay(load, minimal, name):
    assert load(minimal.replace("requests.csv", name)).sources["requests"].from_ == name


def test_glob_characters_of_the_folder_are_no_pattern(tmp_path, minimal):
    folder = tmp_path / "run [1]"
    folder.mkdir()
    (folder / "plumbline.yml").write_text(minimal.replace("requests.csv", "'part-*.csv'"))

    assert (
        load_config(folder / "plumbline.yml", {}).sources["requests"].from_
        == f"{tmp_path}/run [[]1]/part-*.csv"
    )


def test_a_relative_file_argument_gives_absolute_paths(tmp_path, minimal, monkeypatch):
    (tmp_path / "plumbline.yml").write_text(minimal)
    monkeypatch.chdir(tmp_path)

    config = load_config(Path("plumbline.yml"), {})

    assert config.directory == tmp_path
    assert config.warehouse.path == tmp_path / "w.duckdb"


def test_other_engines_are_reached_through_a_dbt_target(load, minimal):
    config = load(minimal.replace("duckdb, path: w.duckdb", "snowflake, target: prod"))
    assert (config.warehouse.engine, config.warehouse.target, config.warehouse.path) == (
        "snowflake",
        "prod",
        None,
    )


def test_aliases_repeat_a_value(load, example):
    text = example.replace("freshness: 36h", "freshness: *slo").replace(
        "    freshness: 24h", "    freshness: &slo 24h"
    )
    assert load(text).sources["hires"].freshness == timedelta(hours=24)


def test_loading_needs_no_duckdb_and_no_numpy_where_there_is_no_sql(file, minimal):
    file.write_text(minimal)
    program = (
        "import sys; from pathlib import Path; from dagster_pipeline.config.loader import load_config;"
        f"load_config(Path({str(file)!r}));"
        "print(sorted({'duckdb', 'numpy', 'dbt', 'dagster', 'great_expectations'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_is_quick(load, example):
    load(example)
    started = time.process_time()
    load(example)
    assert time.process_time() - started < 0.15
