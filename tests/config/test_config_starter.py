"""The starter of ``plumbline init``, and the hash that a sign-off refers to."""

from __future__ import annotations

import re

import pytest

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.mapping import content_hash
from dagster_pipeline.config.starter import starter_text
from dagster_pipeline.config.types import Thresholds


def uncommented(text: str) -> str:
    """The starter with every optional key put in: a ``#`` directly before a key takes it out."""
    return re.sub(r"^(\s*)#(?=\S)", r"\1", text, flags=re.MULTILINE)


def test_the_starter_loads_as_it_is(load):
    config = load(starter_text())
    assert list(config.sources) == ["requests"]
    assert config.briefs == ()


def test_the_starter_with_everything_put_in_is_the_designs_example(load, example):
    full, designed = load(uncommented(starter_text())), load(example)

    assert list(full.sources) == list(designed.sources)
    assert full.sources == designed.sources
    assert [e.model_copy(update={"looks": None, "touched": {}}) for e in full.experiments] == list(
        designed.experiments
    )
    assert [e.looks for e in full.experiments] == ["once"]
    assert full.briefs[0].criteria == designed.briefs[0].criteria
    assert full.briefs[0].guardrails == designed.briefs[0].guardrails
    assert full.as_of == designed.as_of


def test_the_starter_shows_every_source_column_and_threshold_with_its_default(load):
    full = load(uncommented(starter_text()))

    for name, spec in source_specs().items():
        assert tuple(full.sources[name].columns) == spec.column_names
    for name in Thresholds.names():
        assert f"#{name}: {getattr(Thresholds(), name):g}" in starter_text()


def test_the_starter_shows_every_key_of_the_brief(load):
    brief = load(uncommented(starter_text())).briefs[0]
    assert brief.model_fields_set == set(type(brief).model_fields)
    for part in (brief.options[0], brief.options[0].rice, brief.value, brief.value.incident, brief.rollout):
        assert part.model_fields_set == set(type(part).model_fields) - {"description"}


def test_the_hash_is_the_same_in_another_folder_on_another_day(load, example, tmp_path):
    here = content_hash(
        load(example.replace("from: hires.parquet", "from: ${DATA}/hires.parquet"), DATA="/a")
    )
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "plumbline.yml").write_text("")
    there = load(
        example.replace("from: hires.parquet", "from: ${DATA}/hires.parquet").replace(
            "2026-11-06T", "2026-12-06T"
        ),
        DATA="/b",
    )
    moved = there.model_copy(update={"directory": other, "file": other / "plumbline.yml"})

    assert content_hash(moved) == here
    assert re.fullmatch("[0-9a-f]{64}", here)


def test_the_hash_ignores_the_order_of_keys_and_defaults_written_out(load, example):
    before = content_hash(load(example))
    assert content_hash(load(example.replace("    unit: request\n", ""))) == before
    assert (
        content_hash(load(example.replace("  confidence: 0.90\n", "") + "  orphan_share: 0.001\n")) == before
    )
    assert (
        content_hash(load(example.replace("effect: relative, ", "").replace("effect: absolute, ", "")))
        == before
    )
    assert content_hash(load(example.replace("{start: 2026-10-01, end: 2026-10-29}", "{end: 2026-10-29, start: 2026-10-01}"))) == before  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min_bound: 0.05", "min_bound: 0.04"),
        ("confidence: 0.90", "confidence: 0.95"),
        ("end: 2026-10-29", "end: 2026-10-30"),
        ("not is_test", "is_test"),
        ("from: hires.parquet", "from: other.parquet"),
        ("null_share: 0.005", "null_share: 0.01"),
        ("price: price", "price: cost"),
        ("freshness: 36h", "freshness: 48h"),
        ("hold?", "hold it?"),
    ],
)
def test_whatever_decides_changes_the_hash(load, example, old, new):
    assert old in example
    assert content_hash(load(example.replace(old, new))) != content_hash(load(example))
