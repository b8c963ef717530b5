"""plumbline.yml as the inspected sources bear it out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.segments import TopValues
from dagster_pipeline.config.types import Experiment, PlumblineConfig, Source, Warehouse, Window
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.transform.mapping import EVERYONE, build_mapping, columns_of, sources_of

TYPES = {"text": "VARCHAR", "timestamp": "TIMESTAMP", "double": "DOUBLE"}
ALL = {name: tuple(spec.column_names) for name, spec in source_specs().items()}


def a_config(columns=None, experiments=(), briefs=(), **source):
    columns = ALL if columns is None else columns
    sources = {
        name: Source(from_=f"/data/{name}.parquet", columns={c: c for c in names}, **source)
        for name, names in columns.items()
    }
    return PlumblineConfig(
        version=1, warehouse=Warehouse(engine="duckdb", path=Path("/nowhere/w.duckdb")),
        as_of=datetime(2026, 11, 6, 2, tzinfo=UTC), sources=sources, experiments=tuple(experiments),
        briefs=tuple(briefs), directory=Path("/nowhere"), file=Path("/nowhere/plumbline.yml"),
    )  # fmt: skip


def inspected(config, **changes):
    """Every source of the catalogue as whole as the configuration claims, but for the changes: name=status or fields."""
    found = {}
    for name, spec in source_specs().items():
        change = changes.get(name, {})
        fields = {"status": change} if isinstance(change, SourceStatus) else dict(change)
        if name not in config.sources:
            found[name] = SourceInspection(name, SourceStatus.UNMAPPED)
            continue
        columns = {c: c for c in config.sources[name].columns if c not in fields.get("absent_columns", ())}
        types = {c.name: TYPES[c.data_type] for c in spec.columns} | fields.pop("types", {})
        defaults = {
            "status": SourceStatus.OK,
            "relation_sql": f"'{name}'",
            "columns": columns,
            "physical_columns": types,
        }
        found[name] = SourceInspection(name, **(defaults | fields))
    return found


def built(config=None, **changes):
    config = config or a_config()
    return build_mapping(config, inspected(config, **changes))


def findings(mapping):
    return {(f.kind, f.source, f.column, f.expected) for f in mapping.findings}


def without(source, *columns):
    return ALL | {source: tuple(c for c in ALL[source] if c not in columns)}


def test_when_everything_is_there_every_metric_is_and_nothing_is_found():
    mapping = built()
    assert mapping.findings == ()
    assert mapping.absent_metrics == {}
    assert [m.name for m in mapping.metrics] == list(metric_definitions())
    assert set(mapping.variables["sources"]) == set(ALL)


def test_a_source_left_out_is_expected_and_its_metrics_say_what_they_need():
    mapping = built(a_config({k: v for k, v in ALL.items() if k not in ("hires", "dashboards")}))
    assert findings(mapping) == {
        ("not_evaluated", "hires", None, True),
        ("not_evaluated", "dashboards", None, True),
    }
    of_hires = {"hire_rate_7d", "hire_rate_3d", "gmv_per_request", "refund_rate", "rehire_rate_30d"}
    assert set(mapping.absent_metrics) == of_hires
    assert mapping.absent_metrics["gmv_per_request"] == "needs hires.request_id, hires.amount"
    assert not mapping.column_is_mapped("hires", "amount")


@pytest.mark.parametrize(
    ("status", "relation", "is_mapped"),
    [
        (SourceStatus.MISSING, None, False),
        (SourceStatus.UNREADABLE, None, False),
        (SourceStatus.EMPTY, "'hires'", True),
        (SourceStatus.EMPTY, None, False),  # a file of no bytes
    ],
)
def test_a_source_that_gives_no_row_is_a_finding_and_its_metrics_are_absent(status, relation, is_mapped):
    mapping = built(hires={"status": status, "relation_sql": relation, "row_error": "what went wrong"})
    assert findings(mapping) == {("not_evaluated", "hires", None, False)}
    assert mapping.findings[0].note == "what went wrong"
    assert ("hires" in mapping.variables["sources"]) is is_mapped
    assert "refund_rate" in mapping.absent_metrics


def test_without_requests_there_is_no_metric_at_all():
    mapping = built(requests={"status": SourceStatus.MISSING, "relation_sql": None})
    assert mapping.metrics == ()
    assert all("requests.created_at" in why for why in mapping.absent_metrics.values())


def test_a_mapped_column_that_is_gone_is_a_changed_schema_with_the_names_that_look_like_it():
    mapping = built(hires={"absent_columns": ("amount",), "near_matches": {"amount": ["amount_eur", "amt"]}})
    (found,) = mapping.findings
    assert (found.kind, found.source, found.column, found.expected) == (
        "schema_change",
        "hires",
        "amount",
        False,
    )
    assert found.note == "mapped to 'amount', which the source does not have; the source has amount_eur, amt"
    assert set(mapping.absent_metrics) == {"gmv_per_request"}


@pytest.mark.parametrize(
    ("source", "column", "kind"),
    [
        ("hires", "hired_at", "TIME"),
        ("hires", "hired_at", "INTERVAL"),
        ("hires", "amount", "INTERVAL"),
        ("hires", "amount", "BOOLEAN"),
        ("hires", "amount", "INTEGER[]"),
        ("hires", "request_id", "STRUCT(a INTEGER)"),
        ("hires", "outcome", "VARCHAR[]"),
    ],
)
def test_a_column_of_which_no_value_can_be_read_is_as_good_as_absent(source, column, kind):
    """Its nulls would make a hire rate of zero look measured."""
    mapping = built(**{source: {"types": {column: kind}}})
    assert findings(mapping) == {("schema_change", source, column, False)}
    assert kind in mapping.findings[0].note
    assert not mapping.column_is_mapped(source, column)
    assert mapping.absent_metrics
    assert all(f"{source}.{column}" in why for why in mapping.absent_metrics.values())


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        (
            "hired_at",
            ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DATE", "VARCHAR", "BIGINT", "DOUBLE", "TIMESTAMP_NS"),
        ),
        (
            "amount",
            ("DOUBLE", "FLOAT", "INTEGER", "UINTEGER", "UBIGINT", "HUGEINT", "DECIMAL(18,2)", "VARCHAR"),
        ),
        ("hire_id", ("VARCHAR", "BIGINT", "UUID", "DOUBLE", "BOOLEAN", "DATE")),
    ],
)
def test_types_that_hold_readable_values_are_none_of_a_changed_schema(column, kinds):
    for kind in kinds:
        assert built(hires={"types": {column: kind}}).findings == (), kind


def test_a_column_a_metric_needs_and_nobody_mapped_is_said_and_others_are_not():
    mapping = built(a_config(without("hires", "amount", "pro_id")))
    assert findings(mapping) == {("not_evaluated", "hires", "amount", True)}


# --- alternatives ------------------------------------------------------------------------------


def test_quote_times_come_from_the_table_or_the_log():
    metric = metric_definitions()["ttfq_median"]
    both, log_only = built(), built(a_config(without("quotes", "quoted_at")))
    assert sources_of(metric, both.variables["sources"]) == ("quotes",)
    assert sources_of(metric, log_only.variables["sources"]) == ("quotes", "quote_events")
    assert "ttfq_median" not in log_only.absent_metrics
    neither = built(a_config(without("quotes", "quoted_at") | {"quote_events": ("request_id",)}))
    assert neither.absent_metrics["ttfq_median"] == "needs quotes.quoted_at or quote_events.event_at"
    assert columns_of(metric) == {"quotes.request_id", "quotes.quoted_at", "quote_events.event_at"}


def test_an_alternative_in_an_empty_source_is_none():
    mapping = built(a_config(without("quotes", "quoted_at")), quote_events={"status": SourceStatus.EMPTY})
    assert "ttfq_median" in mapping.absent_metrics


# --- what the models are told ------------------------------------------------------------------


def test_names_are_those_of_the_source_and_moments_are_utc_texts():
    config = a_config(freshness=timedelta(hours=36), timezone="Europe/Berlin", where="not is_test")
    found = inspected(config)
    columns = {c: c.upper() for c in ALL["hires"]}
    types = {
        c.upper(): TYPES[s.data_type]
        for c, s in zip(ALL["hires"], source_specs()["hires"].columns, strict=True)
    }
    found["hires"] = SourceInspection("hires", SourceStatus.OK, "'hires'", types, columns=columns)
    variables = build_mapping(config, found).variables
    hires = variables["sources"]["hires"]
    assert hires["columns"]["amount"] == {"name": "AMOUNT", "type": "DOUBLE"}
    assert (hires["freshness_seconds"], hires["timezone"], hires["where"]) == (
        129_600.0,
        "Europe/Berlin",
        "not is_test",
    )
    assert variables["as_of"] == "2026-11-06 02:00:00.000000"


def test_without_experiments_everyone_is_one_arm_of_all_time():
    variables = built().variables
    (one,) = variables["experiments"]
    assert variables["everyone"] is True
    assert (one["id"], one["arms"], one["unit"]) == ("", [EVERYONE], "request")
    assert (one["start"][:4], one["end"][:4]) == ("1970", "2200")


def test_experiments_carry_their_arms_and_window():
    window = Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC))
    one = Experiment(id="x", control="a", split={"a": 0.5, "b": 0.5}, window=window, unit="customer")
    variables = built(a_config(experiments=[one])).variables
    assert variables["everyone"] is False
    assert variables["experiments"] == [
        {
            "id": "x",
            "unit": "customer",
            "control": "a",
            "arms": ["a", "b"],
            "written_arms": ["a", "b"],
            "sampling": {},
            "start": "2026-10-01 00:00:00.000000",
            "end": "2026-10-29 00:00:00.000000",
        }
    ]


def a_brief(segments):
    return Brief(
        experiment="x", criteria=(Criterion(metric="hire_rate_7d", min_delta=0.0),), segments=segments
    )


def test_segments_are_the_briefs_once_each_and_only_where_the_column_is_there():
    def segments(briefs, columns=ALL):
        return built(a_config(columns, briefs=briefs)).segments

    assert segments([]) == ("category",)
    assert segments([a_brief("geo"), a_brief(("category", "geo"))]) == ("geo", "category")
    assert segments([a_brief("geo")], without("requests", "geo")) == ()


def test_computed_segments_go_by_a_name_and_come_with_what_they_are_computed_by():
    wanted = ("geo", "customer_kind", "peak_hour", TopValues(top="category", n=5))
    found = built(a_config(briefs=[a_brief(wanted)]))
    assert found.segments == ("geo", "customer_kind", "peak_hour", "category_top_5")
    assert found.variables["segments"] == list(found.segments)
    assert found.variables["computed_segments"] == [
        {"name": "customer_kind", "kind": "customer_kind"},
        {"name": "peak_hour", "kind": "peak_hour"},
        {"name": "category_top_5", "kind": "top", "column": "category", "n": 5},
    ]


def test_a_computed_segment_is_only_where_what_it_needs_is_there():
    def segments(columns):
        brief = a_brief(("customer_kind", "pro_kind", "peak_hour", TopValues(top="category", n=5)))
        return built(a_config(columns, briefs=[brief])).segments

    assert segments(without("requests", "customer_id")) == ("pro_kind", "peak_hour", "category_top_5")
    assert segments(without("quotes", "pro_id")) == ("customer_kind", "peak_hour", "category_top_5")
    assert segments(without("quotes", "quoted_at")) == (
        "customer_kind",
        "pro_kind",
        "peak_hour",
        "category_top_5",
    )
    assert segments(without("requests", "category")) == ("customer_kind", "pro_kind", "peak_hour")


def test_a_brief_narrows_the_cohort_of_its_own_experiment():
    both = [Experiment(id=name, control="a", split={"a": 0.5, "b": 0.5}) for name in ("x", "y")]
    brief = a_brief("geo").model_copy(update={"cohort": {"category": ("moving", "dj")}})
    one, other = built(a_config(experiments=both, briefs=[brief])).variables["experiments"]
    assert one["cohort"] == {"category": ["moving", "dj"]}
    assert "cohort" not in other


def test_what_a_launch_touched_is_held_against_as_long_a_time_before_as_its_window_is():
    window = Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC))
    touched = {"category": ("moving", "dj")}
    one = Experiment(id="x", control="a", split={"a": 0.5, "b": 0.5}, window=window, touched=touched)
    (found,) = built(a_config(experiments=[one])).variables["experiments"]
    assert found["touched"] == {"category": ["moving", "dj"]}
    assert found["compared_from"] == "2026-09-03 00:00:00.000000"
