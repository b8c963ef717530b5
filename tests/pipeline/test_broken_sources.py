"""Whatever becomes of a source, the run ends with all its files, says what is lost, and shows nothing of an earlier run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from line import (
    Line,
    assert_metrics_equal_recomputation,
    change_config,
    make_world,
    place_of,
    run_line,
    unlike,
)

from dagster_pipeline.demo.faults import FileFault, break_file
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.transform import build

pytestmark = pytest.mark.pipeline

# Effects so plain that the clean world is a GO at this size: what is no GO then, is none for what was broken.
PLAIN = WorldSpec(
    requests=3_000, seed=21, speedup=0.5, hire_effect=0.15, ticket_effect=-0.5, spam_effect=-0.6
)

# A column of each source without which it is of no use.
VITAL = {
    "requests": "created_at",
    "quotes": "request_id",
    "hires": "request_id",
    "assignments": "entity_id",
    "quote_events": "event_at",
    "messages": "request_id",
    "support_tickets": "request_id",
    "spam_flags": "quote_id",
    "dashboards": "value",
}
SOURCES = tuple(VITAL)
# The brief asks for the time to the first quote, hires, support tickets and spam flags.
ASKED_FOR = {"requests", "quotes", "hires", "support_tickets", "spam_flags"}
# Without the quotes' own times the event log's would have done; with both broken either would help.
ASKED_FOR_WITH_QUOTES = ASKED_FOR | {"quote_events"}
QUOTE_METRICS = {
    "pro_return_rate_7d",
    "ttfq_median",
    "ttfq_p90",
    "quoted",
    "quoted_within_30m",
    "three_quotes_within_24h",
    "quotes_per_request",
    "spam_flags_per_1000_quotes",
}


@dataclass(frozen=True)
class Break:
    """One way to break a source's file, and what the register must say of it."""

    name: str
    break_it: Callable[[Path, str], None]
    kind: str
    says: str


def _file(fault: FileFault) -> Callable[[Path, str], None]:
    return lambda folder, source: break_file(folder / f"{source}.parquet", fault)


def _only_a_header(folder: Path, source: str) -> None:
    with duckdb.connect() as connection:
        columns = connection.execute(f"describe select * from '{folder}/{source}.parquet'").fetchall()
    (folder / f"{source}.csv").write_text(",".join(column[0] for column in columns) + "\n")
    change_config(
        folder / "plumbline.yml", lambda config: config["sources"][source].update({"from": f"{source}.csv"})
    )


def _without_a_column(folder: Path, source: str) -> None:
    file = folder / f"{source}.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select * exclude ({VITAL[source]}) from '{file}'")
        connection.execute(f"copy t to '{file}' (format parquet)")


BREAKS = (
    Break("missing", _file(FileFault.MISSING), "not_evaluated", "no such file"),
    Break("empty", _file(FileFault.EMPTY), "not_evaluated", "has no content"),
    Break("truncated", _file(FileFault.TRUNCATED), "not_evaluated", "is truncated"),
    Break("header only", _only_a_header, "not_evaluated", "has no row"),
    Break("column absent", _without_a_column, "schema_change", "which the source does not have"),
)
# Every source meets every break once, five sources or more broken at a time.
ROUNDS = [{source: BREAKS[(place + turn) % 5] for place, source in enumerate(SOURCES)} for turn in range(5)]
IN_EVERY_RUN = 1
"""Rounds of the default suite; the others come with the matrix."""
TURNS = [pytest.param(turn, marks=() if turn < IN_EVERY_RUN else pytest.mark.matrix) for turn in range(5)]
CASES = [
    pytest.param(turn, source, marks=() if turn < IN_EVERY_RUN else pytest.mark.matrix, id=f"{turn}-{source}")
    for turn in range(5)
    for source in SOURCES
]


class Workshop:
    """A good world that is broken and mended; its warehouse keeps what a good run built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_world(folder, PLAIN)
        self._whole = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.good = self.run("good")

    def mend(self) -> None:
        for path in [path for path in self.folder.iterdir() if path.is_file()]:
            path.unlink()
        for path, content in self._whole.items():
            path.write_bytes(content)

    def run(self, name: str) -> Line:
        return run_line(self.folder / "plumbline.yml", output=self.folder / "out" / name)

    def broken(self, name: str, *breaks: tuple[str, Callable[[Path, str], None]]) -> Line:
        """A run on the mended world with these sources broken, after the good run in the same warehouse."""
        self.mend()
        for source, break_it in breaks:
            break_it(self.folder, source)
        try:
            return self.run(name)
        finally:
            self.mend()

    def twin(self, folder: Path) -> Workshop:
        """A copy that shares no register with this one."""
        twin = object.__new__(Workshop)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        twin.folder, twin.good = folder, replace(self.good)
        twin._whole = {folder / path.name: content for path, content in self._whole.items()}
        return twin


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def rounds(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Line]:
    """The run of a round, each in a warehouse of its own that a good run has filled."""
    done: dict[int, Line] = {}

    def round_(turn: int) -> Line:
        if turn not in done:
            twin = workshop.twin(tmp_path_factory.mktemp(f"round{turn}"))
            breaks = [(source, found.break_it) for source, found in ROUNDS[turn].items()]
            done[turn] = twin.broken(f"round{turn}", *breaks)
        return done[turn]

    return round_


def levels_of(line: Line) -> dict[tuple[str, str], tuple[int, float]]:
    """Requests and value by metric and arm."""
    return {(row["metric"], row["variant"]): (row["n"], row["value"]) for row in line.metrics["levels"]}


def shown(line: Line) -> set[str]:
    """Metrics that have a level."""
    return {row["metric"] for row in line.metrics["levels"]}


def test_before_anything_is_broken_the_launch_is_a_go(workshop):
    assert workshop.good.verdict["verdict"] == "GO"
    assert workshop.good.register["gaps"] == []
    assert len(shown(workshop.good)) == 14


@pytest.mark.parametrize(("turn", "source"), CASES)
def test_a_broken_source_is_a_gap_that_says_so_and_blocks_where_the_brief_needs_it(rounds, turn, source):
    line, found = rounds(turn), ROUNDS[turn][source]
    column = VITAL[source] if found.kind == "schema_change" else None
    gap = line.gap(found.kind, source, column)
    assert found.says in gap["description"].lower()
    assert gap["severity"] == ("blocker" if source in ASKED_FOR_WITH_QUOTES else "info"), gap
    assert gap["rows_affected"] is None
    assert line.source(source).status.value == {
        "missing": "missing",
        "truncated": "unreadable",
        "column absent": "ok",
    }.get(found.name, "empty")


@pytest.mark.parametrize("turn", TURNS)
def test_what_can_not_be_computed_is_shown_nowhere_and_never_launched(rounds, turn):
    line = rounds(turn)
    assert line.metrics["levels"] == line.metrics["effects"] == []
    assert line.verdict["verdict"] == "HOLD"
    assert {c["outcome"] for c in line.verdict["criteria"]} == {"missing"}
    blockers = {gap["gap_id"] for gap in line.gaps if gap["severity"] == "blocker"}
    assert blockers == set(line.verdict["blocked_by"])
    assert "0.000" not in str(line.verdict["criteria"])


@pytest.mark.parametrize("turn", TURNS)
def test_one_broken_source_is_one_gap_not_one_for_every_check(rounds, turn):
    expected = {
        (found.kind, source, VITAL[source] if found.kind == "schema_change" else None)
        for source, found in ROUNDS[turn].items()
    }
    serious = rounds(turn).places(above_info=True)
    assert serious <= expected
    # A table without a row has no newest one.
    others = rounds(turn).places() - expected
    assert {kind for kind, _, _ in others} <= {"stale_source"}
    assert all(ROUNDS[turn][source].name == "header only" for _, source, _ in others)


@pytest.mark.matrix
def test_without_quotes_only_what_needs_quotes_is_lost_and_nothing_of_the_good_run_is_left(workshop):
    line = workshop.broken("no quotes", ("quotes", _file(FileFault.MISSING)))
    assert line.places() == {("not_evaluated", "quotes", None)}
    assert shown(line) == shown(workshop.good) - QUOTE_METRICS
    assert not {row["metric"] for row in line.metrics["effects"]} & QUOTE_METRICS
    before = {key: level for key, level in levels_of(workshop.good).items() if key[0] not in QUOTE_METRICS}
    assert not unlike(levels_of(line), before)
    outcomes = {c["metric"]: (c["outcome"], c["estimate"]) for c in line.verdict["criteria"]}
    assert outcomes["ttfq_median"] == outcomes["spam_flags_per_1000_quotes"] == ("missing", None)
    assert outcomes["hire_rate_7d"][0] == "passed"
    assert line.verdict["verdict"] == "HOLD"


@pytest.mark.matrix
def test_what_no_demand_of_the_brief_needs_is_said_and_holds_up_no_launch(workshop):
    line = workshop.broken(
        "optional",
        ("messages", _file(FileFault.EMPTY)),
        ("dashboards", _file(FileFault.TRUNCATED)),
        ("quote_events", _without_a_column),
    )
    assert {place_of(gap): gap["severity"] for gap in line.gaps} == {
        ("not_evaluated", "messages", None): "info",
        ("not_evaluated", "dashboards", None): "info",
        ("schema_change", "quote_events", "event_at"): "info",
    }
    assert line.verdict["verdict"] == "GO"
    assert [gap["kind"] for gap in line.resolved] == ["not_evaluated"]  # the quotes are back


@pytest.mark.matrix
def test_a_file_that_breaks_off_in_the_middle_is_as_good_as_missing(workshop):
    def damage(folder: Path, source: str) -> None:
        file = folder / f"{source}.parquet"
        content = bytearray(file.read_bytes())
        third = len(content) // 3
        content[third : third + 2_000] = b"\xff" * 2_000
        file.write_bytes(content)

    line = workshop.broken("damaged", ("quotes", damage))
    assert line.source("quotes").status.value == "unreadable"
    assert place_of(line.gap("not_evaluated", "quotes")) in line.places(above_info=True)
    assert shown(line) == shown(workshop.good) - QUOTE_METRICS
    assert line.verdict["verdict"] == "HOLD"


@pytest.mark.matrix
def test_a_filter_that_leaves_nothing_is_nothing_to_launch_on(workshop):
    def empty(folder: Path, source: str) -> None:
        change_config(
            folder / "plumbline.yml", lambda c: c["sources"][source].update({"where": "amount < 0"})
        )

    line = workshop.broken("filtered", ("hires", empty))
    assert line.gap("not_evaluated", "hires")["severity"] == "blocker"
    assert line.source("hires").filtered == line.source("hires").rows_total > 0
    assert line.verdict["verdict"] == "HOLD"


def test_a_model_that_fails_is_registered_and_nothing_is_shown_in_its_place(workshop, monkeypatch):
    honest = build.build_mapping

    def misspelt(*args, **kwargs):
        mapping = honest(*args, **kwargs)
        metrics = [
            {**m, "y": "no_such_column"} if m["name"] == "gmv_per_request" else m
            for m in mapping.variables["metrics"]
        ]
        return replace(mapping, variables={**mapping.variables, "metrics": metrics})

    monkeypatch.setattr(build, "build_mapping", misspelt)
    line = workshop.run("broken model")
    assert set(line.outcome.broken) == {
        "metric_statistics",
        "metric_cells",
        "lost_request_cells",
        "daily_effects",
        "pre_period_products",
    }
    for model in line.outcome.broken:
        assert "no_such_column" in line.gap("not_evaluated", model)["description"]
        assert line.gap("not_evaluated", model)["severity"] == "blocker"
    assert line.metrics["levels"] == line.metrics["effects"] == []
    assert line.verdict["verdict"] == "HOLD"


def test_once_mended_every_gap_is_resolved_and_the_figures_are_back(workshop):
    line = workshop.run("mended")
    assert line.gaps == []
    assert {gap["kind"] for gap in line.resolved} == {"not_evaluated"}
    assert line.verdict["verdict"] == "GO"
    assert not unlike(levels_of(line), levels_of(workshop.good))
    assert_metrics_equal_recomputation(line)
