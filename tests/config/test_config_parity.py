"""`parity:`: what it may say, and that whatever it may not is refused naming file, line, key and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dagster_pipeline.config.mapping import content_hash
from dagster_pipeline.config.parity import Parity, ParitySide

ROOT = Path(__file__).resolve().parents[2]

ARMS = "control: a, split: {a: 0.5, b: 0.5}"
EXPERIMENT = f"experiments:\n  - {{id: x, {ARMS}}}\n"
PAIR = """\
parity:
  - id: serving_vs_training
    left: {from: serving.parquet, key: request_id, value: score}
    right:
      from: training.csv
      key: [req]
      value: score
    tolerance: 0.001
    threshold: 0.02
    metrics: [hire_rate_7d]
"""


@pytest.fixture
def pair(load, minimal):
    """The one parity of a text that starts as the minimal configuration does."""

    def loaded(text=PAIR, **environment):
        (found,) = load(minimal + text, **environment).parity
        return found

    return loaded


def test_it_says_where_each_side_is_what_must_agree_and_what_a_conflict_puts_in_doubt(pair, file):
    found = pair()
    assert found.id == "serving_vs_training"
    assert (found.left.from_, found.right.from_) == (
        f"{file.parent}/serving.parquet",
        f"{file.parent}/training.csv",
    )
    assert (found.left.key, found.right.key) == (("request_id",), ("req",))
    assert (found.tolerance, found.relative_tolerance, found.unmatched, found.type) == (
        0.001,
        0,
        "report",
        None,
    )
    assert found.metrics == ("hire_rate_7d",)


def test_a_configuration_without_any_is_the_one_it_was(load, minimal):
    before, empty = load(minimal), load(minimal + "parity: []\n")
    assert before.parity == empty.parity == ()
    assert content_hash(before) == content_hash(empty) != content_hash(load(minimal + PAIR))


def test_its_own_threshold_is_the_contract_for_its_gaps_alone(load, minimal):
    thresholds = load(minimal + PAIR).thresholds
    assert thresholds.value("source_conflict_share", "serving_vs_training", "score") == 0.02
    assert thresholds.value("source_conflict_share", "quotes", "quoted_at") == 0.01


def test_it_is_found_by_the_name_its_gaps_are_filed_under(load, minimal):
    config = load(minimal + PAIR)
    assert config.parity_of("serving_vs_training") is config.parity[0]
    assert config.parity_of("quotes") is None


def test_the_hash_is_the_same_wherever_its_files_lie(load, minimal):
    text = minimal + PAIR.replace("from: serving.parquet", "from: ${DATA}/serving.parquet")
    here, there = load(text, DATA="/a"), load(text, DATA="/b")
    assert here.parity[0].left.from_ != there.parity[0].left.from_
    assert content_hash(here) == content_hash(there)
    assert content_hash(load(text.replace("value: score}", "value: other}"), DATA="/a")) != content_hash(here)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tolerance: 0.001", "tolerance: 0.002"),
        ("threshold: 0.02", "threshold: 0.03"),
        ("[hire_rate_7d]", "[hire_rate_3d]"),
        ("from: training.csv", "from: train.csv"),
        ("key: [req]", "key: [r]"),
    ],
)
def test_whatever_decides_changes_the_hash(load, minimal, old, new):
    assert old in PAIR
    assert content_hash(load(minimal + PAIR)) != content_hash(load(minimal + PAIR.replace(old, new)))


def test_files_inside_a_query_lie_beside_the_configuration(pair, file):
    text = PAIR.replace("{from: serving.parquet,", "{query: select * from read_parquet('a.parquet'),")
    assert pair(text).left.query == f"select * from read_parquet('{file.parent}/a.parquet')"


def test_a_key_called_request_id_tells_the_arm_unless_something_else_does(pair, load, minimal):
    assert pair().request_column == "request_id"
    assert pair(PAIR.replace("key: request_id", "key: id")).request_column is None
    assert pair(PAIR.replace("key: request_id", "key: id") + "    request: rid\n").request_column == "rid"
    (by,) = load(minimal + EXPERIMENT + PAIR + "    by: arm\n").parity
    assert by.request_column is None
    assert by.experiment == "x"
    assert by.columns("left") == {"key 1": "request_id", "value": "score", "by": "arm"}


def test_null_is_a_key_left_out(pair):
    text = PAIR.replace("value: score}", "value: score, where: null}") + "    type: ~\n    by:\n"
    assert pair(text) == pair()


@pytest.mark.parametrize("schema", ["plumbline_canonical.quotes", '"PLUMBLINE_METRICS"."request_metrics"'])
def test_a_side_may_be_what_the_run_builds(pair, schema):
    found = pair(PAIR.replace("from: serving.parquet", f"from: '{schema}'"))
    assert found.left.reads_our_models
    assert not found.right.reads_our_models
    assert pair(
        PAIR.replace("{from: serving.parquet,", f"{{query: 'select * from {schema} where 1 = 1',")
    ).left.reads_our_models


P = "parity[0]"
FAULTS = {
    "unknown key": ("tolerance: 0.001", "tolerence: 0.001", f"{P}.tolerence", "did you mean 'tolerance'", "allowed: id, left"),
    "unknown key of a side": ("value: score}", "value: score, freshness: 1d}", f"{P}.left.freshness", "unknown key", "timezone"),
    "attribute name as key": ("{from: serving", "{from: x.csv, from_: serving", f"{P}.left.from_", "did you mean 'from'"),
    "no id": ("id: serving_vs_training\n    ", "", f"{P}.id", "is required"),
    "id of a source": ("id: serving_vs_training", "id: quotes", f"{P}.id", "must be no source's name"),
    "id with a slash": ("id: serving_vs_training", "id: a/b", f"{P}.id", "without slashes"),
    "no left": ("    left: {from: serving.parquet, key: request_id, value: score}\n", "", f"{P}.left", "is required"),
    "side as text": ("{from: serving.parquet, key: request_id, value: score}", "serving.parquet", f"{P}.left", "must be a mapping"),
    "no origin": ("{from: serving.parquet, key", "{key", f"{P}.left", "either from", "or query"),
    "two origins": ("{from: serving.parquet,", "{from: a.csv, query: select 1,", f"{P}.left", "and not both"),
    "no key": ("key: request_id, ", "", f"{P}.left.key", "is required"),
    "no value": (", value: score}", "}", f"{P}.left.value", "is required"),
    "empty key": ("key: [req]", "key: []", f"{P}.right.key", "column or a list of columns"),
    "key of a number": ("key: [req]", "key: 7", f"{P}.right.key", "must be a list"),
    "key with a number": ("key: [req]", "key: [7]", f"{P}.right.key[0]", "must be text"),
    "key twice": ("key: [req]", "key: [req, req]", f"{P}.right.key", "names 'req' twice"),
    "keys of two lengths": ("key: [req]", "key: [req, day]", f"{P}.right.key", "as many columns as left.key (1)", "it has 2"),
    "negative tolerance": ("tolerance: 0.001", "tolerance: -1", f"{P}.tolerance", "at least 0"),
    "tolerance as text": ("tolerance: 0.001", "tolerance: 5s", f"{P}.tolerance", "must be a number"),
    "relative tolerance of all": ("tolerance: 0.001", "relative_tolerance: 1", f"{P}.relative_tolerance", "at least 0 and below 1"),
    "tolerance of text": ("tolerance: 0.001", "type: text\n    tolerance: 0.001", f"{P}.tolerance", "is for numbers and timestamps"),
    "relative tolerance of times": ("tolerance: 0.001", "type: timestamp\n    relative_tolerance: 0.1", f"{P}.relative_tolerance", "is for numbers", "seconds"),
    "type": ("tolerance: 0.001", "type: integer", f"{P}.type", "must be one of number, timestamp, text, boolean"),
    "unmatched": ("tolerance: 0.001", "unmatched: fail", f"{P}.unmatched", "must be one of report, conflict, ignore"),
    "threshold in percent": ("threshold: 0.02", "threshold: 2", f"{P}.threshold", "at least 0 and at most 1"),
    "unknown metric": ("[hire_rate_7d]", "[quoted, hire_rate]", f"{P}.metrics[1]", "must be a metric", "did you mean 'hire_rate_", "ttfq_median"),
    "metrics as text": ("[hire_rate_7d]", "hire_rate_7d", f"{P}.metrics", "must be a list"),
    "time zone": ("value: score}", "value: score, timezone: europe/berlin}", f"{P}.left.timezone", "did you mean 'Europe/Berlin'"),
    "where of two statements": ("value: score}", "value: score, where: '1; drop table x'}", f"{P}.left.where", "one condition", "semicolon"),
    "query that writes": ("{from: serving.parquet,", "{query: drop table x,", f"{P}.left.query", "must be one SELECT"),
    "arms of no experiment": ("tolerance: 0.001", "by: arm", f"{P}.experiment", "whose arms by holds", "declare it under experiments"),
    "unknown experiment": ("tolerance: 0.001", "experiment: x", f"{P}.experiment", "must be the id of an experiment", "none is declared"),
    "arm told twice": ("tolerance: 0.001", "by: arm\n    experiment: x\n    request: rid", f"{P}.request", "keep one"),
    "a gap as a side": ("serving.parquet", "plumbline_gaps.gap_orphan_rows", f"{P}.left.from", "reads plumbline_gaps.gap_orphan_rows", "plumbline_canonical.quotes"),
    "a misspelt model": ("serving.parquet", "plumbline_canonical.qoutes", f"{P}.left.from", "none of Plumbline's relations", "plumbline_canonical.quotes"),
    "a query over what is not for it": ("{from: serving.parquet,", "{query: 'select * from plumbline_staging.stg_quotes',", f"{P}.left.query", "reads plumbline_staging.stg_quotes"),
}  # fmt: skip
# Placed where the key at fault stands, or its parent, which is not where the text was changed.
ELSEWHERE = {
    "no id",
    "no left",
    "no key",
    "no value",
    "no origin",
    "two origins",
    "arms of no experiment",
    "key of a number",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_naming_file_line_key_and_what_is_allowed(name, refused, minimal, file):
    old, new, key, *words = FAULTS[name]
    assert old in PAIR
    experiment = EXPERIMENT if "experiment: x\n" in new else ""
    text = minimal + experiment + PAIR.replace(old, new, 1)
    found = [line for line in refused(text) if f" {key}: " in line]
    assert len(found) == 1, refused(text)
    place = re.match(rf"{re.escape(str(file))}, line (\d+): ", found[0])
    assert place
    if name not in ELSEWHERE:
        at = text.index(new) + len(new.rstrip("\n"))
        assert int(place[1]) == text.count("\n", 0, at) + 1
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize(("parity", "kind"), [("{id: a}", "a mapping"), ("serving", "text")])
def test_it_is_a_list(refused, minimal, parity, kind):
    (line,) = refused(f"{minimal}parity: {parity}\n")
    assert "parity: must be a list" in line
    assert kind in line


def test_an_entry_that_is_no_mapping_is_refused(refused, minimal):
    (line,) = refused(f"{minimal}parity: [serving_vs_training]\n")
    assert "parity[0]: must be a mapping" in line


def test_ids_are_unique(refused, minimal):
    (line,) = refused(minimal + PAIR + PAIR.removeprefix("parity:\n"))
    assert "parity[1].id: must be unique; 'serving_vs_training' is already parity[0].id" in line


def test_of_several_experiments_the_one_is_named_whose_arms_by_holds(refused, load, minimal):
    two = f"experiments:\n  - {{id: x, {ARMS}}}\n  - {{id: y, {ARMS}}}\n"
    (line,) = refused(minimal + two + PAIR + "    by: arm\n")
    assert "parity[0].experiment: is required to say whose arms by holds; name one of x, y" in line
    (found,) = load(minimal + two + PAIR + "    by: arm\n    experiment: y\n").parity
    assert found.experiment == "y"


def test_a_side_from_the_environment_is_never_shown(refused, minimal):
    lines = refused(minimal + PAIR.replace("0.001", "'${TOKEN}'"), TOKEN="hunter2-secret")  # noqa: S106 - nobody's
    assert len(lines) == 1
    assert "hunter2" not in lines[0]
    assert "${TOKEN}" in lines[0]


def test_the_example_of_the_documentation_loads(load, minimal):
    text = (ROOT / "docs" / "parity.md").read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    found = load(minimal + EXPERIMENT + example).parity
    assert [parity.id for parity in found] == ["serving_vs_training", "price_ledger", "dashboard_extract"]
    keys = {
        field.alias or name for model in (Parity, ParitySide) for name, field in model.model_fields.items()
    }
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_a_remark_in_where_can_not_hide_what_follows_it(pair):
    found = pair(PAIR.replace("value: score}", "value: score, where: 'x > 1 -- late'}"))
    assert found.left.where == "x > 1"
