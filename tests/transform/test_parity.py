"""Parity on DuckDB: two relations are compared as brute force does it, and what can't be compared is never a pass."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import duckdb
import pytest
import yaml

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.parity import READABLE, inspection_name
from dagster_pipeline.engines.base import load_engine
from dagster_pipeline.engines.inspection import SourceStatus
from dagster_pipeline.transform.build import build_warehouse
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner
from dagster_pipeline.transform.mapping import build_mapping
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus

REQUESTS = 40
EXPERIMENT = {
    "id": "x",
    "control": "control",
    "split": {"control": 0.5, "treatment": 0.5},
    "window": {"start": "2026-10-01", "end": "2026-10-29"},
}


# --- the world: one build compares every pair ---------------------------------------------------


def drawn(seed, kind):
    """Rows (key, value) of one side each: keys repeated, missing and on one side only, values missing and close by."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    rows = {"left": [], "right": []}
    for number in range(REQUESTS):
        value = {"number": rng.randint(0, 8) / 4, "text": rng.choice(["a", "b", "A", "0.5"])}[kind]
        for drawn_rows in rows.values():
            for _ in range(rng.choices((0, 1, 2), (1, 8, 1))[0]):
                moved = value + rng.choice((0, 0, 0, 0.25, -0.5)) if kind == "number" else value
                other = rng.choice(["a", "B"]) if kind == "text" and rng.random() < 0.2 else moved
                drawn_rows.append((f"r{number}", None if rng.random() < 0.1 else other))
    for drawn_rows in rows.values():
        drawn_rows.extend([(None, 1.0 if kind == "number" else "a")] * rng.randint(0, 2))
    return rows


RANDOM = {
    "exact": (1, "number", {}, ("parquet", "parquet")),
    "absolute": (2, "number", {"tolerance": 0.25}, ("parquet", "csv")),
    "relative": (3, "number", {"relative_tolerance": 0.2}, ("csv", "parquet")),
    "either": (4, "number", {"tolerance": 0.25, "relative_tolerance": 0.5, "type": "number"}, ("csv", "csv")),
    "text": (5, "text", {}, ("csv", "parquet")),
    "strict": (6, "text", {"unmatched": "conflict"}, ("parquet", "csv")),
}


def write(folder, name, rows, columns, form="parquet"):
    with duckdb.connect() as connection:
        kinds = [
            "double" if any(isinstance(row[i], float) for row in rows) else "varchar"
            for i in range(len(columns))
        ]
        names = [column.replace('"', '""') for column in columns]
        quoted = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, kinds, strict=True))
        connection.execute(f"create table t ({quoted})")
        connection.executemany(f"insert into t values ({', '.join('?' * len(columns))})", rows)
        connection.execute(f"copy t to '{folder / name}.{form}' (format {form})")
    return f"{name}.{form}"


def random_pair(folder, name):
    seed, kind, given, forms = RANDOM[name]
    rows = drawn(seed, kind)
    sides = {
        side: {
            "from": write(folder, f"{name}_{side}", rows[side], ("id", "v"), form),
            "key": "id",
            "value": "v",
        }
        for side, form in zip(rows, forms, strict=True)
    }
    return {"id": name, "request": "id"} | sides | given


def torn(folder):
    """A parquet file whole from its header and footer, and broken in between."""
    path = folder / "torn.parquet"
    with duckdb.connect() as connection:
        select = "select 'r' || range as id, random() as v from range(50000)"
        connection.execute(f"copy ({select}) to '{path}' (format parquet)")
    content = bytearray(path.read_bytes())
    content[2_000:60_000] = b"\xff" * 58_000
    path.write_bytes(bytes(content))
    return path.name


HOSTILE = 'it\'s a "name" {{ x }} ; --'


def world(folder):
    days = [f"2026-10-{1 + n % 28:02d} 10:00:00" for n in range(REQUESTS)]
    requests = [(f"r{n}", day) for n, day in enumerate(days)]
    assignments = [(f"r{n}", ("control", "treatment")[n % 2], day) for n, day in enumerate(days) if n % 10]
    write(folder, "requests", requests, ("request_id", "created_at"))
    write(folder, "assignments", assignments, ("entity_id", "variant", "assigned_at"))
    ledger = write(
        folder, "ledger", [(f"r{n}", day) for n, (_, day) in enumerate(requests)], (HOSTILE, "at"), "csv"
    )
    small = write(folder, "small", [("r1", 1.0)], ("id", "v"))
    own = {"from": "plumbline_canonical.requests", "key": "request_id", "value": "created_at"}
    other = {"from": ledger, "key": [HOSTILE], "value": "at"}
    one_day = own | {"where": "created_at < timestamp '2026-10-02'"}
    counts = "select experiment_id, variant, count(*) as n from {} group by all"
    rebuilt = counts.format("plumbline_metrics.experiment_requests")
    return [
        *(random_pair(folder, name) for name in RANDOM),
        {"id": HOSTILE, "left": own, "right": other},
        {"id": "shifted", "left": own, "right": other | {"timezone": "Europe/Berlin"}, "tolerance": 7199},
        {"id": "one day", "left": one_day, "right": other, "unmatched": "ignore"},
        {"id": "rebuilt", "left": {"query": rebuilt, "key": ["experiment_id", "variant"], "value": "n"},
         "right": {"query": "select 'x' as e, v as arm, n from (values ('control', 18), ('treatment', 20), ('unknown', 4)) as t (v, n)",
                   "key": ["e", "arm"], "value": "n"}},
        {"id": "gone once built", "left": own | {"value": "made_at"}, "right": other},
        {"id": "torn", "left": {"from": torn(folder), "key": "id", "value": "v"},
         "right": {"from": small, "key": "id", "value": "v"}},
    ]  # fmt: skip


def configured(folder, parity):
    sources = {
        "requests": {
            "from": "requests.parquet",
            "columns": {"request_id": "request_id", "created_at": "created_at"},
        },
        "assignments": {
            "from": "assignments.parquet",
            "columns": {c: c for c in ("entity_id", "variant", "assigned_at")},
        },
    }
    content = {
        "version": 1,
        "as_of": "2026-12-01",
        "warehouse": {"engine": "duckdb", "path": "w/warehouse.duckdb"},
        "sources": sources,
        "experiments": [EXPERIMENT],
        "parity": parity,
    }
    (folder / "plumbline.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_config(folder / "plumbline.yml", {})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The world, built once: the rows of parity_counts by (parity, variant), and what the build came to."""
    folder = tmp_path_factory.mktemp("parity")
    config = configured(folder, world(folder))
    engine = load_engine("duckdb")
    with engine.session(config.warehouse.path, "run") as session:
        inspections = engine.inspect(config, session.build_path)
        build = build_warehouse(config, inspections, DbtProjectRunner(session.build_path, folder / "dbt"))
        assert build.result.error is None
        assert [(node.name, node.message) for node in build.result.broken] == []
        with session.connection() as connection:
            found = connection.execute("select * from plumbline_metrics.parity_counts")
            names = [column[0] for column in found.description]
            rows = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in found.fetchall()]
    return SimpleNamespace(rows={(r.source_name, r.variant): r for r in rows}, all=rows, build=build)


# --- against brute force ------------------------------------------------------------------------


def agree(a, b, kind, tolerance=0.0, relative_tolerance=0.0, **_):
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=relative_tolerance, abs_tol=tolerance) if kind == "number" else a == b


def brute_force(name):
    """Keys in both, those in conflict (any two rows disagree), only left and only right; by arm and in all (None)."""
    seed, kind, given, _ = RANDOM[name]
    values = {}
    for side, rows in drawn(seed, kind).items():
        values[side] = defaultdict(list)
        for key, value in rows:
            if key is not None:
                values[side][key].append(value)
    left, right = values["left"], values["right"]
    counts = defaultdict(lambda: [0, 0, 0, 0])
    for key in {*left, *right}:
        number = int(key[1:])
        arm = ("control", "treatment")[number % 2] if number % 10 else "unknown"
        pairs = itertools.product(left.get(key, ()), right.get(key, ()))
        in_conflict = not all(agree(a, b, kind, **given) for a, b in pairs)
        found = (key in left and key in right, in_conflict, key not in right, key not in left)
        for variant in (None, arm) if key in left else (None,):
            counts[variant] = [a + b for a, b in zip(counts[variant], found, strict=True)]
    return counts


@pytest.mark.parametrize("name", RANDOM)
def test_keys_are_counted_as_brute_force_counts_them(built, name):
    strict = RANDOM[name][2].get("unmatched") == "conflict"
    expected = brute_force(name)
    assert {variant for parity, variant in built.rows if parity == name} == set(expected)
    assert expected[None][1] > 0
    for variant, (both, conflicts, only_left, only_right) in expected.items():
        row = built.rows[name, variant]
        unmatched = only_left + only_right if strict else 0
        assert (row.rows_total, row.rows_affected) == (both + unmatched, conflicts + unmatched)
        assert (row.n_only_left, row.n_only_right) == (only_left, only_right)
        assert row.rows_residual == row.rows_affected
        assert row.is_gap is (row.rows_affected > 0 or (variant is None and only_left + only_right > 0))
        assert row.experiment_id == (None if variant is None else "x")


def test_every_row_is_one_of_a_source_conflict_in_the_column_of_left(built):
    assert {r.kind for r in built.all} == {"source_conflict"}
    assert {r.column_name for r in built.all if r.source_name in RANDOM} == {"v"}
    assert {r.segment for r in built.all} == {None}
    assert len(built.all) == len(built.rows)


# --- relations of our own, hostile names --------------------------------------------------------


def test_what_this_run_builds_can_be_held_against_a_file_whatever_its_columns_are_called(built):
    whole = built.rows[HOSTILE, None]
    assert (whole.rows_total, whole.rows_affected, whole.is_gap) == (REQUESTS, 0, False)
    by_arm = {arm: built.rows[HOSTILE, arm].rows_total for arm in ("control", "treatment", "unknown")}
    assert by_arm == {"control": 16, "treatment": 20, "unknown": 4}


def test_times_are_held_against_each_other_in_utc(built):
    """Read as Berlin's, every time lies two hours earlier in summer and one hour in winter, after the 25th."""
    whole = built.rows["shifted", None]
    in_summer = sum(1 + n % 28 < 25 for n in range(REQUESTS))
    assert (whole.rows_total, whole.rows_affected) == (REQUESTS, in_summer)
    assert "the furthest by 7200" in whole.note


def test_where_leaves_rows_out_of_the_comparison(built):
    whole = built.rows["one day", None]
    assert (whole.rows_total, whole.n_only_right, whole.is_gap) == (2, REQUESTS - 2, False)


def test_a_query_over_what_this_run_builds_is_read_after_it_is_built(built):
    whole = built.rows["rebuilt", None]
    assert (whole.rows_total, whole.rows_affected) == (3, 1)
    assert whole.note == "1 of 3 keys that both have differ in n"


# --- what can't be compared ---------------------------------------------------------------------


def test_a_column_that_is_not_there_once_it_is_built_is_a_gap_without_counts(built):
    (row,) = [r for r in built.all if r.source_name == "gone once built"]
    assert (row.rows_total, row.rows_affected, row.is_gap) == (None, None, True)
    assert row.note == "nothing could be compared: left: there is no column 'made_at' (value)"


def test_a_file_that_breaks_while_it_is_read_costs_its_own_comparison_only(built):
    assert not any(r.source_name == "torn" for r in built.all)
    (found,) = [f for f in built.build.mapping.findings if f.source == "torn"]
    assert (found.kind, found.column, found.expected) == ("not_evaluated", None, False)
    assert found.note.startswith("left: could not be compared: ")
    assert not any(f.source in RANDOM for f in built.build.mapping.findings)


def test_the_sides_are_no_sources(built):
    assert not any(name.startswith("parity.") for name in built.build.inspections)
    assert set(built.build.mapping.variables["sources"]) == {"requests", "assignments"}


GOOD = {"from": "good.csv", "key": "id", "value": "score"}
BROKEN = {
    "missing file": ({"from": "nowhere.csv"}, "no such file: "),
    "missing relation": ({"from": "nowhere"}, "nowhere: "),
    "empty file": ({"from": "empty.csv"}, "has no content"),
    "header only": ({"from": "header.csv"}, "has no row"),
    "truncated csv": ({"from": "cut.csv"}, "is truncated: its last row is incomplete"),
    "truncated parquet": ({"from": "cut.parquet"}, "is truncated, or not a parquet file"),
    "folder": ({"from": "./folder.csv"}, "is a folder"),
    "absent key": ({"key": "ident"}, "there is no column 'ident' (key 1)"),
    "absent value": ({"value": "scor"}, "there is no column 'scor' (value); the relation has score"),
    "where of an absent column": ({"where": "is_test"}, "where can not be evaluated: "),
    "query of an absent table": ({"from": None, "query": "select * from nowhere"}, "query: "),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("broken")
    (found / "good.csv").write_text("id,score\nr1,1\nr2,2\n")
    (found / "empty.csv").write_text("")
    (found / "header.csv").write_text("id,score\n")
    (found / "cut.csv").write_text("id,score\nr1,1\nr2")
    whole = found / write(found, "whole", [("r1", 1.0)], ("id", "score"))
    (found / "cut.parquet").write_bytes(whole.read_bytes()[:-20])
    (found / "folder.csv").mkdir()
    return found


def inspected(folder, left=GOOD, right=GOOD, **given):
    config = configured(folder, [{"id": "pair", "left": left, "right": right} | given])
    return config, load_engine("duckdb").inspect(config)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_side_that_can_not_be_read_is_one_finding_that_says_why_and_is_not_compared(folder, name, side):
    change, words = BROKEN[name]
    mapping = build_mapping(*inspected(folder, **{side: GOOD | change}))
    (found,) = [f for f in mapping.findings if f.source == "pair"]
    assert (found.kind, found.column, found.expected) == ("not_evaluated", None, False)
    assert found.note.startswith(f"{side}: ")
    assert words in found.note
    assert mapping.variables["parity"] == []


def test_both_sides_are_said_in_one_finding(folder):
    broken = [GOOD | BROKEN[name][0] for name in ("missing file", "absent value")]
    (found,) = [f for f in build_mapping(*inspected(folder, *broken)).findings if f.source == "pair"]
    assert "left: no such file" in found.note
    assert "; right: there is no column 'scor'" in found.note


def test_a_side_that_was_not_inspected_is_not_compared(folder):
    config, found = inspected(folder)
    sources = {name: each for name, each in found.items() if not name.startswith("parity.")}
    mapping = build_mapping(config, sources)
    assert mapping.variables["parity"] == []
    assert [f.note for f in mapping.findings if f.source == "pair"] == [
        "left: was not inspected; right: was not inspected"
    ]


def test_sound_sides_are_told_to_the_model_as_the_file_names_them(folder):
    config, found = inspected(folder, request="id", tolerance=0.5, metrics=["quoted"])
    mapping = build_mapping(config, found)
    assert not [f for f in mapping.findings if f.source == "pair"]
    (told,) = mapping.variables["parity"]
    assert told["left"]["label"] == "good.csv"
    assert told["left"]["columns"]["request"] == {"name": "id", "type": "VARCHAR"}
    assert told["right"]["columns"] == {
        "key 1": {"name": "id", "type": "VARCHAR"},
        "value": {"name": "score", "type": "VARCHAR"},
    }
    assert (told["arms_from"], told["tolerance"]) == ("request", 0.5)
    assert told["experiments"] == [{"id": "x", "arms": ["control", "treatment"]}]


def test_names_are_found_whatever_their_case(folder):
    config, found = inspected(folder, left=GOOD | {"key": "ID", "value": "Score"})
    (told,) = build_mapping(config, found).variables["parity"]
    assert told["left"]["columns"] == told["right"]["columns"]


# --- a comparison that breaks -------------------------------------------------------------------


class FakeRunner:
    """Fails the comparison with a message as long as a parity is left to compare."""

    def __init__(self, message):
        self.message = message
        self.asked = []

    def build(self, variables, on_node=None):
        self.asked.append([parity["id"] for parity in variables["parity"]])
        status = NodeStatus.ERROR if len(self.asked) == 1 else NodeStatus.SUCCESS
        node = NodeResult(
            "model.plumbline.parity_counts", "parity_counts", "model", status, self.message, 0.1
        )
        return BuildResult((node,))


@pytest.mark.parametrize(
    ("message", "left_over"),
    [
        ("Runtime Error in model parity_counts\n  Invalid Input: {}/good.csv: broken", []),
        ("Runtime Error in model parity_counts\n  Invalid Input: {}/whole.parquet: broken", ["csv"]),
        ("Runtime Error in model parity_counts\n  Conversion Error: some value", []),
    ],
    ids=["a file of both", "a file of one", "no file"],
)
def test_it_is_blamed_on_the_file_the_error_names_or_on_all(folder, message, left_over):
    parquet = GOOD | {"from": "whole.parquet"}
    config = configured(
        folder,
        [{"id": "csv", "left": GOOD, "right": GOOD}, {"id": "parquet", "left": GOOD, "right": parquet}],
    )
    runner = FakeRunner(message.format(folder))
    build = build_warehouse(config, load_engine("duckdb").inspect(config), runner)
    assert runner.asked == [["csv", "parquet"], left_over]
    notes = {f.source: f.note for f in build.mapping.findings if f.source in ("csv", "parquet")}
    assert set(notes) == {"csv", "parquet"} - set(left_over)
    assert all("could not be compared: " in note for note in notes.values())


def test_a_side_found_unreadable_later_is_a_finding(folder):
    config, found = inspected(folder)
    name = inspection_name("pair", "left")
    found[name] = replace(found[name], status=SourceStatus.UNREADABLE, relation_sql=None, row_error="why")
    assert [f.note for f in build_mapping(config, found).findings if f.source == "pair"] == ["left: why"]


def test_what_a_side_may_read_of_our_own_is_what_the_model_waits_for(tmp_path):
    manifest = DbtProjectRunner(tmp_path / "warehouse.duckdb", tmp_path / "dbt").manifest()
    node = manifest.nodes["model.plumbline.parity_counts"]
    waited_for = {name.rpartition(".")[2] for name in node.depends_on.nodes} - {"int_request_variants"}
    assert waited_for == {name for names in READABLE.values() for name in names}
    for schema, names in READABLE.items():
        for name in names:
            assert f"plumbline_{manifest.nodes[f'model.plumbline.{name}'].fqn[1]}" == schema
