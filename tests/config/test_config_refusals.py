"""What is refused, and that the error names file, line, key and what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Fault:
    """``old`` of the design's example becomes ``new``: the error names ``key`` and says ``words``."""

    old: str
    new: str
    key: str
    words: tuple[str, ...]

    def text(self, example: str) -> str:
        assert self.old in example
        return example.replace(self.old, self.new, 1)

    def line(self, example: str) -> int:
        """Where the last line of what was put in stands."""
        text = self.text(example)
        end = text.index(self.new) + len(self.new.rstrip("\n"))
        return text.count("\n", 0, end) + 1


def fault(old: str, new: str, key: str, *words: str) -> Fault:
    return Fault(old, new, key, words)


Q, H = "sources.quotes", "sources.hires"
E, B = "experiments[0]", "brief"
ENGINES = "duckdb, snowflake, spark, postgres"
SPLIT = "split: {control: 0.5, treatment: 0.5}"
WINDOW = "window: {start: 2026-10-01, end: 2026-10-29}"
TTFQ = "{metric: ttfq_median, effect: relative, min_improvement: 0.10, min_bound: 0.05}"
HIRES = "{metric: hire_rate_7d, effect: absolute, min_delta: -0.005, min_bound: -0.010}"
TICKETS = "{metric: support_tickets_per_100_requests, effect: relative, max_increase: 0.10}"
HIRES_SOURCE = (
    "{from: hires.parquet, columns: {hire_id: hire_id, request_id: request_id, pro_id: pro_id, "
    "hired_at: hired_at, amount: amount, outcome: outcome}, freshness: 36h}"
)
ALL_METRICS = ("ttfq_median", "hire_rate_7d", "spam_flags_per_1000_quotes")

FAULTS = {
    # unknown keys, at every level
    "unknown key": fault(
        "version: 1\n", "version: 1\nwarehuose: x\n", "warehuose", "did you mean 'warehouse'", "as_of"
    ),
    "unknown warehouse key": fault(
        "{engine: duckdb,",
        "{engine: duckdb, password: x,",
        "warehouse.password",
        "allowed: engine, path, target",
    ),
    "unknown source": fault(
        "  hires: ", "  hire: ", "sources.hire", "unknown source", "did you mean 'hires'", "assignments"
    ),
    "unknown source key": fault(
        "freshness: 36h",
        "fresh: 36h",
        f"{H}.fresh",
        "did you mean 'freshness'",
        "allowed: from, query, columns",
    ),
    "attribute name as key": fault(
        "{from: hires.parquet", "{from_: hires.parquet", f"{H}.from_", "unknown key", "'from'"
    ),
    "unknown column": fault(
        "price: price", "prize: price", f"{Q}.columns.prize", "did you mean 'price'", "quote_id, request_id"
    ),
    "unknown experiment key": fault(
        "    unit: request\n", "    units: request\n", f"{E}.units", "did you mean 'unit'", "sampling"
    ),
    "unknown window key": fault(
        "{start: 2026-10-01,", "{start: 2026-10-01, until: 2026,", f"{E}.window.until", "allowed: start, end"
    ),
    "unknown brief key": fault(
        "  confidence: 0.90\n",
        "  confidence: 0.90\n  confidance: 0.9\n",
        f"{B}.confidance",
        "did you mean 'confidence'",
    ),
    "unknown criterion key": fault(
        "min_improvement",
        "min_improvment",
        f"{B}.criteria[0].min_improvment",
        "did you mean 'min_improvement'",
    ),
    "unknown guardrail key": fault(
        "max_increase: 0.10", "max_increas: 0.10", f"{B}.guardrails[0].max_increas", "max_decrease"
    ),
    "unknown threshold": fault(
        "  null_share: 0.005",
        "  nul_share: 0.005",
        "thresholds.nul_share",
        "did you mean 'null_share'",
        "orphan_share",
    ),
    "unknown threshold table": fault(
        "  null_share: 0.005", "  qoutes: {null_share: 0.1}", "thresholds.qoutes", "did you mean 'quotes'"
    ),
    "unknown threshold column": fault(
        "  null_share: 0.005",
        "  quotes: {prise: {null_share: 0.1}}",
        "thresholds.quotes.prise",
        "did you mean 'price'",
    ),
    "unknown column threshold": fault(
        "  null_share: 0.005",
        "  quotes: {price: {null_shar: 0.1}}",
        "thresholds.quotes.price.null_shar",
        "did you mean 'null_share'",
    ),
    # wrong types
    "text for a number": fault(
        "confidence: 0.90", "confidence: high", f"{B}.confidence", "must be a number, not text ('high')"
    ),
    "quoted number": fault(
        "confidence: 0.90", "confidence: '0.90'", f"{B}.confidence", "must be a number, not text"
    ),
    "truth for a number": fault(
        "confidence: 0.90", "confidence: true", f"{B}.confidence", "must be a number, not true or false"
    ),
    "no finite number": fault("confidence: 0.90", "confidence: .nan", f"{B}.confidence", "finite number"),
    "number for text": fault(
        "price: price", "price: 12", f"{Q}.columns.price", "must be text, not a number (12)", "quote it"
    ),
    "number for a file": fault("from: hires.parquet", "from: 12", f"{H}.from", "must be text"),
    "blank file": fault("from: hires.parquet", "from: ' '", f"{H}.from", "must not be blank"),
    "list for a mapping": fault(SPLIT, "split: [0.5, 0.5]", f"{E}.split", "must be a mapping", "not a list"),
    "text for a mapping": fault(WINDOW, "window: october", f"{E}.window", "must be a mapping", "'october'"),
    "text for a source": fault(HIRES_SOURCE, "hires.parquet", H, "must be a mapping"),
    "mapping for a list": fault(
        f"  criteria:\n    - {TTFQ}\n    - {HIRES}\n",
        f"  criteria: {TTFQ}\n",
        f"{B}.criteria",
        "must be a list, not a mapping",
    ),
    "text for a brief entry": fault(f"- {TTFQ}", "- ttfq_median", f"{B}.criteria[0]", "must be a mapping"),
    "table threshold without name": fault(
        "  null_share: 0.005", "  quotes: 0.005", "thresholds.quotes", "must be a mapping"
    ),
    # values
    "version": fault("version: 1", "version: 2", "version", "must be 1"),
    "version as truth": fault("version: 1", "version: true", "version", "must be 1"),
    "engine": fault(
        "engine: duckdb",
        "engine: duckbd",
        "warehouse.engine",
        f"must be one of {ENGINES}",
        "did you mean 'duckdb'",
    ),
    "duckdb without a path": fault(", path: .plumbline/warehouse.duckdb", "", "warehouse", "needs a path"),
    "engine without a target": fault("engine: duckdb", "engine: spark", "warehouse", "needs a target"),
    "memory is no file": fault(
        ".plumbline/warehouse.duckdb", "':memory:'", "warehouse.path", "must be the path of a file"
    ),
    "as_of": fault("2026-11-06T00:00:00Z", "soon", "as_of", "2026-10-01T06:30:00Z", "not 'soon'"),
    "as_of of no calendar": fault("2026-11-06T00:00:00Z", "2026-02-30", "as_of", "must be a date or time"),
    "as_of as a number": fault("2026-11-06T00:00:00Z", "20261106", "as_of", "must be a date or time"),
    "duration without a unit": fault(
        "freshness: 36h", "freshness: 36", f"{H}.freshness", "s, m, h, d or w", "not 36"
    ),
    "duration in words": fault(
        "freshness: 36h", "freshness: a day", f"{H}.freshness", "24h or 7d", "'a day'"
    ),
    "no duration": fault("freshness: 36h", "freshness: 0h", f"{H}.freshness", "longer than zero"),
    "endless duration": fault(
        "freshness: 36h", "freshness: 99999999999999d", f"{H}.freshness", "longer than any history"
    ),
    "time zone": fault(
        "timezone: UTC",
        "timezone: Europe/Berlim",
        "sources.requests.timezone",
        "IANA time zone",
        "Europe/Berlin",
    ),
    "time zone in small letters": fault(
        "timezone: UTC",
        "timezone: europe/berlin",
        "sources.requests.timezone",
        "did you mean 'Europe/Berlin'",
    ),
    "time zone as a path": fault(
        "timezone: UTC", "timezone: ../../etc/passwd", "sources.requests.timezone", "IANA time zone"
    ),
    "requests without created_at": fault(
        "created_at: created_at, ", "", "sources.requests.columns.created_at", "is required"
    ),
    "requests without request_id": fault(
        "{request_id: request_id, created_at",
        "{created_at",
        "sources.requests.columns.request_id",
        "is required",
    ),
    "source without columns": fault(
        "columns: {quote_id: quote_id, flagged_at: flagged_at}",
        "columns: {}",
        "sources.spam_flags.columns",
        "maps nothing",
        "flagged_at",
    ),
    "from and query": fault(
        "{from: hires.parquet", "{from: hires.parquet, query: select 1", H, "either from", "not both"
    ),
    "neither from nor query": fault("{from: hires.parquet, ", "{", H, "either from", "query"),
    # experiments
    "id as a path": fault("id: quoting_v2", "id: ../quoting_v2", f"{E}.id", "slashes"),
    "unit": fault(
        "unit: request",
        "unit: requests",
        f"{E}.unit",
        "must be one of request, customer, session",
        "did you mean 'request'",
    ),
    "split sums to more": fault(
        SPLIT, "split: {control: 0.5, treatment: 0.6}", f"{E}.split", "must sum to 1", "1.1"
    ),
    "split sums to less": fault(
        SPLIT, "split: {control: 0.5, treatment: 0.49999999}", f"{E}.split", "must sum to 1"
    ),
    "split of percentages": fault(
        SPLIT, "split: {control: 50, treatment: 50}", f"{E}.split.control", "at least 0 and at most 1"
    ),
    "negative share": fault(
        SPLIT,
        "split: {control: 0.9, other: 0.6, treatment: -0.5}",
        f"{E}.split.treatment",
        "at least 0 and at most 1",
    ),
    "one arm": fault(SPLIT, "split: {control: 1.0}", f"{E}.split", "at least two arms"),
    "one arm with a share": fault(
        SPLIT, "split: {control: 1, treatment: 0}", f"{E}.split", "at least two arms with a share above 0"
    ),
    "control without a share": fault(
        SPLIT, "split: {a: 0.5, treatment: 0.5, control: 0}", f"{E}.control", "share above 0"
    ),
    "control not in the split": fault(
        "control: control\n",
        "control: contrl\n",
        f"{E}.control",
        "must be one of the arms",
        "did you mean 'control'",
        "allowed: control, treatment",
    ),
    "one arm written twice": fault(
        SPLIT, "split: {control: 0.5, ' Control': 0.5}", f"{E}.split", "'control' twice"
    ),
    "unknown as an arm": fault(
        SPLIT, "split: {control: 0.5, unknown: 0.5}", f"{E}.split.unknown", "can't be called unknown"
    ),
    "window ends before it starts": fault(
        WINDOW,
        "window: {start: 2026-10-29, end: 2026-10-01}",
        f"{E}.window.end",
        "after the start (2026-10-29",
    ),
    "window without length": fault(
        WINDOW, "window: {start: 2026-10-29, end: 2026-10-29}", f"{E}.window.end", "after the start"
    ),
    "window without an end": fault(WINDOW, "window: {start: 2026-10-29}", f"{E}.window.end", "is required"),
    "sampling above one": fault(
        "{treatment: 0.1}", "{treatment: 10}", f"{E}.sampling.quote_events.treatment", "above 0 and at most 1"
    ),
    "sampling of zero": fault(
        "{treatment: 0.1}", "{treatment: 0}", f"{E}.sampling.quote_events.treatment", "above 0 and at most 1"
    ),
    "sampling of an unknown arm": fault(
        "{treatment: 0.1}",
        "{treatmen: 0.1}",
        f"{E}.sampling.quote_events.treatmen",
        "is not an arm of split",
        "did you mean 'treatment'",
    ),
    "sampling of an unknown source": fault(
        "{quote_events: {treatment: 0.1}}",
        "{quote_event: {treatment: 0.1}}",
        f"{E}.sampling.quote_event",
        "unknown source",
        "quote_events",
    ),
    "experiment without a split": fault(f"    {SPLIT}\n", "", f"{E}.split", "is required"),
    # the brief
    "unknown experiment": fault(
        "  experiment: quoting_v2",
        "  experiment: quoting_v3",
        f"{B}.experiment",
        "did you mean 'quoting_v2'",
        "allowed: quoting_v2",
    ),
    "confidence as percentage": fault(
        "confidence: 0.90", "confidence: 90", f"{B}.confidence", "above 0.5 and below 1", "not 90"
    ),
    "confidence of one half": fault(
        "confidence: 0.90", "confidence: 0.5", f"{B}.confidence", "above 0.5 and below 1"
    ),
    "confidence of one": fault(
        "confidence: 0.90", "confidence: 1", f"{B}.confidence", "above 0.5 and below 1"
    ),
    "unknown segment": fault(
        "segments: category", "segments: categry", f"{B}.segments", "did you mean 'category'", "geo"
    ),
    "unknown segment in a list": fault(
        "segments: category", "segments: [geo, categry]", f"{B}.segments[1]", "did you mean 'category'"
    ),
    "segment as number": fault(
        "segments: category", "segments: 3", f"{B}.segments", "must be a column of requests"
    ),
    "unknown metric": fault(
        "metric: hire_rate_7d",
        "metric: hire_rate",
        f"{B}.criteria[1].metric",
        "must be a metric",
        "'hire_rate_",
        *ALL_METRICS,
    ),
    "unknown guardrail metric": fault(
        "metric: spam_flags_per_1000_quotes", "metric: spam", f"{B}.guardrails[1].metric", *ALL_METRICS
    ),
    "effect": fault(
        "effect: absolute", "effect: percent", f"{B}.criteria[1].effect", "must be one of absolute, relative"
    ),
    "criterion without a limit": fault(
        HIRES,
        "{metric: hire_rate_7d}",
        f"{B}.criteria[1]",
        "at least one of min_improvement, min_delta, min_bound",
    ),
    "guardrail without a limit": fault(
        TICKETS,
        "{metric: quoted}",
        f"{B}.guardrails[0]",
        "at least one of max_increase, max_decrease, max_bound",
    ),
    "guardrail's key on a criterion": fault(
        "min_delta: -0.005", "max_increase: 1", f"{B}.criteria[1].max_increase", "unknown key", "min_delta"
    ),
    "delta of a relative effect": fault(
        "min_improvement: 0.10",
        "min_delta: 0.10",
        f"{B}.criteria[0].min_delta",
        "absolute effects",
        "min_improvement",
    ),
    "delta and improvement": fault(
        "min_delta: -0.005,", "min_delta: -0.005, min_improvement: 0,", f"{B}.criteria[1]", "keep one"
    ),
    "a share's delta in points": fault(
        "min_delta: -0.005",
        "min_delta: -5",
        f"{B}.criteria[1].min_delta",
        "within ±1",
        "percentage point is 0.01",
    ),
    "improvement beyond all": fault(
        "min_improvement: 0.10", "min_improvement: 10", f"{B}.criteria[0].min_improvement", "must be below 1"
    ),
    "decrease beyond all": fault(
        "max_increase: 0.10", "max_decrease: 1.5", f"{B}.guardrails[0].max_decrease", "must be below 1"
    ),
    "negative increase": fault(
        "max_increase: 0.10", "max_increase: -0.10", f"{B}.guardrails[0].max_increase", "at least 0"
    ),
    "thresholds above one": fault(
        "null_share: 0.005", "null_share: 5", "thresholds.null_share", "at least 0 and at most 1"
    ),
    "infinite threshold": fault("null_share: 0.005", "null_share: .inf", "thresholds.null_share", "finite"),
    "policy out of order": fault(
        "  confidence: 0.90\n", "  policy: {blocker_at: 3}\n", f"{B}.policy", "must ascend"
    ),
    "how old a verdict": fault("  confidence: 0.90\n", "  max_age: 7\n", f"{B}.max_age", "24h or 7d"),
    # the environment
    "variable not set": fault(
        "from: hires.parquet",
        "from: ${NOWHERE}/h.csv",
        f"{H}.from",
        "NOWHERE is not set",
        "${NOWHERE:-a default}",
    ),
    "broken reference": fault(
        "  question: Expand the new", "  question: ${1st", f"{B}.question", "${NAME:-default}"
    ),
    "nested default": fault("hold?", "${A:-${B}}", f"{B}.question", "must read ${NAME}"),
    # the text
    "key given twice": fault(
        "    unit: request\n",
        "    unit: request\n    unit: request\n",
        f"{E}.unit",
        "is given twice",
        "first on line",
    ),
    "source given twice": fault(
        "  hires: ", "  requests: ", "sources.requests", "is given twice", "first on line 5"
    ),
    "tag": fault(
        "confidence: 0.90", "confidence: !secret 0.9", f"{B}.confidence", "'!secret'", "tags are not read"
    ),
}
# Placed where the key at fault stands, which is not where the example was changed.
ELSEWHERE = {
    "requests without created_at",
    "requests without request_id",
    "duckdb without a path",
    "neither from nor query",
    "window without an end",
    "experiment without a split",
    "control without a share",
}
# One slip of the pen, two things to say.
TWOFOLD = {"split of percentages", "attribute name as key"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_naming_file_line_key_and_what_is_allowed(name, refused, example, file):
    planted = FAULTS[name]
    lines = refused(planted.text(example))
    assert len(lines) == (2 if name in TWOFOLD else 1)

    (line,) = [said for said in lines if f" {planted.key}: " in said]

    place = re.match(rf"{re.escape(str(file))}, line (\d+): ", line)
    assert place, line
    if name not in ELSEWHERE:
        assert int(place[1]) == planted.line(example)
    for word in planted.words:
        assert word in line


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("requests without created_at", "    columns: {request_id"),
        ("duckdb without a path", "warehouse:"),
        ("neither from nor query", "  hires:"),
        ("window without an end", "    window:"),
        ("experiment without a split", "  - id:"),
    ],
)
def test_a_missing_key_is_placed_where_its_parent_stands(name, parent, refused, example):
    text = FAULTS[name].text(example)
    line = text.count("\n", 0, text.index(parent)) + 1

    assert f", line {line}: {FAULTS[name].key}: " in refused(text)[0]


def test_all_problems_are_listed_at_once_in_the_order_of_the_file(refused, example):
    names = [
        "version",
        "engine",
        "as_of",
        "time zone",
        "unknown column",
        "duration without a unit",
        "unit",
        "split sums to more",
        "window ends before it starts",
        "sampling of zero",
        "unknown experiment",
        "confidence as percentage",
        "unknown segment",
        "improvement beyond all",
        "unknown metric",
        "decrease beyond all",
        "unknown guardrail metric",
        "unknown threshold",
    ]
    text = example
    for name in names:
        text = FAULTS[name].text(text)

    lines = refused(text)

    assert [line.split(": ")[1] for line in lines] == [FAULTS[name].key for name in names]


def test_two_faults_of_one_entry_are_both_told(refused, example):
    text = example.replace("{control: 0.5, treatment: 0.5}", "{control: 0.5, treatment: 0.6}")
    text = text.replace("    control: control\n", "    control: x\n    bogus: 1\n").replace(
        "id: quoting_v2", "id: a/b", 1
    )
    keys = [line.split(": ")[1] for line in refused(text)]
    assert {"experiments[0].id", "experiments[0].split", "experiments[0].bogus"} <= set(keys)


def test_an_ambiguous_brief_names_the_experiments(refused, minimal):
    arms = "control: x, split: {x: 0.5, y: 0.5}"
    (line,) = refused(
        minimal
        + f"experiments:\n  - {{id: one, {arms}}}\n  - {{id: two, {arms}}}\n"
        + "brief: {criteria: [{metric: quoted, min_delta: 0}]}\n"
    )
    assert "line 8: brief.experiment: is required unless there is exactly one experiment" in line
    assert "one, two" in line


def test_a_brief_without_any_experiment_is_refused(refused, minimal):
    (line,) = refused(minimal + "brief: {criteria: [{metric: quoted, min_delta: 0}]}\n")
    assert "brief.experiment: is required" in line
    assert "declare it under experiments" in line


def test_experiment_ids_are_unique(refused, minimal):
    arms = "control: x, split: {x: 0.5, y: 0.5}"
    (line,) = refused(minimal + f"experiments:\n  - {{id: one, {arms}}}\n  - {{id: one, {arms}}}\n")
    assert "line 7: experiments[1].id: must be unique; 'one' is already experiments[0].id" in line


def test_one_experiment_has_one_brief(refused, example):
    head, _, rest = example.partition("brief:\n")
    body, _, tail = rest.partition("thresholds:")
    entry = "  -" + body[1:].replace("\n  ", "\n    ").rstrip() + "\n"
    (line,) = refused(head + "brief:\n" + entry + entry + "thresholds:" + tail)
    assert "brief[1].experiment: is a second brief for 'quoting_v2'; brief[0] is the first" in line


@pytest.mark.parametrize(
    "brief", ["{}", "{experiment: quoting_v2}", "{criteria: [], guardrails: []}", "[{}]"]
)
def test_an_empty_brief_is_refused(refused, example, brief):
    head, _, rest = example.partition("brief:\n")
    tail = rest.partition("thresholds:")[2]
    (line,) = refused(f"{head}brief: {brief}\nthresholds:{tail}")
    assert "an empty brief is refused" in line


def test_requests_and_the_warehouse_and_the_version_are_required(refused):
    lines = refused("experiments: []\n")
    assert [line.split(": ")[1] for line in lines] == ["sources.requests", "version", "warehouse"]
    assert all("is required" in line for line in lines)


@pytest.mark.parametrize(
    ("key", "kind"), [("sources", "mapping"), ("experiments", "list"), ("thresholds", "mapping")]
)
def test_a_section_of_the_wrong_shape_is_refused(refused, minimal, key, kind):
    text = minimal if key != "sources" else "version: 1\nwarehouse: {engine: duckdb, path: w.duckdb}\n"
    lines = refused(f"{text}{key}: nonsense\n")
    assert any(f" {key}: must be a {kind}" in line and "not text" in line for line in lines)


def test_a_value_of_the_environment_is_never_shown(refused, example):
    text = example.replace("confidence: 0.90", "confidence: ${TOKEN}").replace(
        "unit: request", "unit: '${TOKEN}'"
    )
    text = text.replace("2026-11-06T00:00:00Z", "${TOKEN}").replace("freshness: 36h", "freshness: '${TOKEN}'")

    lines = refused(text, TOKEN="hunter2-secret")  # noqa: S106 - nobody's

    assert len(lines) == 4
    assert not any("hunter2" in line for line in lines)
    assert all("${TOKEN}" in line for line in lines)


def test_a_hostile_key_cannot_break_the_line_or_paint_the_terminal(refused, minimal):
    lines = refused(minimal + '"\\u001b[31mred\\nline": 1\n')
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert "unknown key" in lines[0]
