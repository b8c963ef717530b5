"""The catalogue of sources, the metric definitions, and where bundled parts are found."""

from __future__ import annotations

import pytest
import yaml

from dagster_pipeline.config import catalogue, metrics
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.paths import bundled


def test_the_catalogue_knows_every_source_and_column_of_the_design(example, load):
    specs = source_specs()
    assert sorted(load(example).sources) == list(specs)
    for name, source in load(example).sources.items():
        assert set(source.columns) == set(specs[name].column_names)


def test_columns_have_a_type_and_a_role():
    quotes = source_specs()["quotes"]
    assert (quotes.column("price").data_type, quotes.column("price").role) == ("double", "attribute")
    assert quotes.column("quoted_at").data_type == "timestamp"
    assert [column.name for column in quotes.of_role("key")] == ["quote_id"]
    assert [column.name for column in quotes.of_role("variant")] == ["variant"]
    assert quotes.column("nothing") is None


def test_requests_require_what_the_configuration_requires():
    required = [column.name for column in source_specs()["requests"].columns if column.required]
    assert required == ["request_id", "created_at"]


def test_technical_columns_are_not_mappable():
    assert "quarantine_reason" not in source_specs()["requests"].column_names


def write_model(folder, column: str):
    (folder / "stg_orders.yml").write_text(
        "models:\n  - name: stg_orders\n    columns:\n      - "
        + column
        + "\n      - {name: made_by_us, data_type: text}\n"
    )
    return catalogue._specs(folder)


@pytest.mark.parametrize(
    "meta", ["config: {meta: {role: key, required: true}}", "meta: {role: key, required: true}"]
)
def test_the_role_may_stand_under_config_or_directly_under_the_column(tmp_path, meta):
    specs = write_model(tmp_path, f"{{name: order_id, data_type: text, {meta}}}")
    assert [column.name for column in specs["orders"].columns] == ["order_id"]
    assert specs["orders"].columns[0].required


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            "{name: a, data_type: varchar, meta: {role: key}}",
            "a.data_type is 'varchar'; allowed: text, timestamp, double",
        ),
        ("{name: a, data_type: text, meta: {role: id}}", "a.meta.role is 'id'; allowed: key, foreign_key"),
    ],
)
def test_a_faulty_staging_model_names_file_and_key(tmp_path, column, words):
    with pytest.raises(PlumblineError, match=r"stg_orders\.yml") as caught:
        write_model(tmp_path, column)
    assert words in str(caught.value)


def test_a_folder_without_staging_models_is_an_error(tmp_path):
    with pytest.raises(PlumblineError, match="models are missing"):
        catalogue._specs(tmp_path)


def test_the_metrics_of_the_design_have_its_effects_and_better_sides():
    expected = {
        "ttfq_median": ("quantile", "relative", "lower"),
        "ttfq_p90": ("quantile", "relative", "lower"),
        "quoted_within_30m": ("share", "absolute", "higher"),
        "three_quotes_within_24h": ("share", "absolute", "higher"),
        "hire_rate_7d": ("share", "absolute", "higher"),
        "hire_rate_3d": ("share", "absolute", "higher"),
        "quotes_per_request": ("mean", "absolute", "higher"),
        "gmv_per_request": ("mean", "absolute", "higher"),
        "refund_rate": ("ratio", "absolute", "lower"),
        "support_tickets_per_100_requests": ("mean", "relative", "lower"),
        "spam_flags_per_1000_quotes": ("ratio", "relative", "lower"),
        "pro_return_rate_7d": ("share", "absolute", "higher"),
    }
    found = metric_definitions()
    assert {name: (found[name].kind, found[name].effect, found[name].better) for name in expected} == expected
    assert (found["ttfq_median"].quantile, found["ttfq_p90"].quantile) == (0.5, 0.9)
    assert found["hire_rate_7d"].horizon == 7 * 24 * 3600
    assert found["spam_flags_per_1000_quotes"].scale == 1000
    assert {name for name in found if found[name].unit == "pro"} == {"pro_return_rate_7d"}


def test_what_metrics_need_can_be_mapped():
    specs = source_specs()
    for definition in metric_definitions().values():
        for alternative in [name for need in definition.needs for name in need.split("|")]:
            source, _, column = alternative.partition(".")
            assert source in specs
            assert column in specs[source].column_names


def test_changing_what_was_given_out_does_not_change_the_definitions():
    metric_definitions().clear()
    source_specs().clear()
    assert metric_definitions()
    assert source_specs()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("kind: sum", "kind must be one of share, mean"),
        ("better: more", "better must be one of higher, lower"),
        ("effect: both", "effect must be one of absolute, relative"),
        ("kind: quantile", "quantile is for metrics"),
        ("quantile: 0.5", "quantile is for metrics"),
        ("kind: ratio", "d is for metrics of kind ratio"),
        ("scale: 0", "scale must be above 0"),
        ("unit: s", "unit must be one of request, pro"),
        ("unit: pro", "metrics of unit pro are of kind share"),
        ("colour: s", "unknown key colour; allowed: name"),
    ],
)
def test_a_faulty_metric_names_file_and_entry(tmp_path, change, words):
    entry = {"name": "a", "kind": "mean", "better": "lower", "effect": "relative", "y": "x", "label": "A"}
    (tmp_path / "metrics.yml").write_text(yaml.safe_dump([entry | yaml.safe_load(change)]))
    with pytest.raises(PlumblineError, match=r"metrics\.yml: entry 1") as caught:
        metrics._definitions(tmp_path / "metrics.yml")
    assert words in str(caught.value)


def test_a_metric_that_lacks_something_names_what(tmp_path):
    (tmp_path / "metrics.yml").write_text("- {name: a, kind: mean}\n")
    with pytest.raises(PlumblineError, match=r"entry 1 \(a\) lacks better, effect, y, label"):
        metrics._definitions(tmp_path / "metrics.yml")


def test_a_metric_is_defined_once(tmp_path):
    entry = "- {name: a, kind: mean, better: lower, effect: relative, y: x, label: A}\n"
    (tmp_path / "metrics.yml").write_text(entry * 2)
    with pytest.raises(PlumblineError, match="defined twice"):
        metrics._definitions(tmp_path / "metrics.yml")


def test_a_quantile_lies_between_zero_and_one():
    with pytest.raises(ValueError, match="between 0 and 1"):
        MetricDefinition("a", "quantile", "lower", "relative", "y", "A", (), quantile=1.0)


def test_bundled_parts_are_found_beside_the_package_of_a_checkout(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "dbt_project").mkdir()
    assert bundled("dbt_project", tmp_path / "package") == tmp_path / "dbt_project"


def test_a_wheels_own_parts_come_before_strangers_beside_it(tmp_path):
    ours = tmp_path / "site-packages" / "package" / "_bundled" / "seeds"
    ours.mkdir(parents=True)
    (tmp_path / "site-packages" / "seeds").mkdir()
    assert bundled("seeds", tmp_path / "site-packages" / "package") == ours


def test_parts_inside_the_package_are_found(tmp_path):
    schemas = tmp_path / "package" / "report" / "schemas"
    schemas.mkdir(parents=True)
    assert bundled("report/schemas", tmp_path / "package") == schemas


def test_a_part_that_is_missing_is_an_error_naming_the_places(tmp_path):
    with pytest.raises(PlumblineError, match=r"'expectations' of Plumbline is missing.*_bundled") as caught:
        bundled("expectations", tmp_path / "package")
    assert "Install Plumbline again" in str(caught.value)


def test_this_checkout_has_its_parts():
    assert (bundled("dbt_project") / "dbt_project.yml").name
    assert bundled("expectations").is_dir()
    assert bundled("seeds").is_dir()
