"""The independent recomputation itself, against cases small enough to be worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest
import yaml

from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.story import founding_story, write_config
from dagster_pipeline.demo.world import WorldSpec, generate
from tests.independent.recompute import COLUMNS, TYPES, recompute

DAY0 = datetime(2026, 3, 2)  # noqa: DTZ001
CONTROL, TREATED = "control", "treatment"


def at(**after: float) -> str:
    """A time so long after the first request of these worlds."""
    return (DAY0 + timedelta(**after)).isoformat(sep=" ")


def world(folder, freshness=None, as_of=None, **tables):
    """Levels and effects of a world given as rows per table, in the order of COLUMNS."""
    sources = {}
    for name, rows in tables.items():
        columns = [column.split(":") for column in COLUMNS[name].split()]
        with duckdb.connect() as con:
            con.execute(f"create table t ({', '.join(f'{c} {TYPES[t]}' for c, t in columns)})")
            if rows:
                con.executemany(f"insert into t values ({', '.join('?' * len(columns))})", rows)
            con.execute(f"copy t to '{folder / name}.parquet' (format parquet)")
        sources[name] = {"from": f"{name}.parquet", "columns": {c: c for c, _ in columns}}
        if name in (freshness or {}):
            sources[name]["freshness"] = freshness[name]
    window = {"start": DAY0 - timedelta(hours=1), "end": DAY0 + timedelta(days=2)}
    design = {"id": "x", "control": CONTROL, "split": {CONTROL: 0.5, TREATED: 0.5}, "window": window}
    config = {"as_of": as_of or DAY0 + timedelta(days=20), "sources": sources, "experiments": [design]}
    return recompute(folder, config)


def request(number: int, created: str | None = None) -> tuple:
    return (f"r{number}", created or at(), f"c{number}", f"s{number}")


def assigned(number: int, variant: str, moment: str | None = None) -> tuple:
    return (f"r{number}", "x", variant, moment or at())


def quote(name: str, number: int, moment: str | None, pro: str = "p1", variant: str | None = None) -> tuple:
    return (name, f"r{number}", pro, moment, 10.0, variant)


def event(number: int, moment: str, pro: str = "p1", variant: str | None = None) -> tuple:
    return (f"r{number}", pro, moment, variant)


def test_the_first_assignment_counts_and_a_tie_between_arms_is_unknown(tmp_path):
    result = world(
        tmp_path,
        requests=[request(1), request(2), request(3)],
        assignments=[
            assigned(1, TREATED, at(minutes=1)),
            assigned(1, CONTROL, at(minutes=2)),
            assigned(2, CONTROL),
            assigned(2, TREATED),
            assigned(3, "  Treatment "),
            assigned(3, "treatment"),
        ],
    )
    assert result["requests"] == {TREATED: 2, "unknown": 1}


def test_without_assignment_agreeing_quotes_and_events_tell_the_variant(tmp_path):
    result = world(
        tmp_path,
        requests=[request(n) for n in range(1, 6)],
        assignments=[],
        quotes=[
            quote("a", 1, at(minutes=1), "p1", CONTROL),
            quote("b", 1, at(minutes=2), "p2", None),
            quote("c", 2, at(minutes=1), "p1", CONTROL),
            quote("d", 3, at(minutes=1), "p1", None),
            quote("e", 5, at(minutes=1), "p1", "holdout"),
        ],
        quote_events=[event(2, at(minutes=1), "p1", TREATED), event(3, at(minutes=1), "p1", " TREATMENT")],
    )
    assert result["requests"] == {CONTROL: 1, TREATED: 1, "unknown": 3}


def test_an_assignment_to_another_experiment_or_after_as_of_does_not_count(tmp_path):
    result = world(
        tmp_path,
        requests=[request(1), request(2)],
        assignments=[("r1", "y", TREATED, at()), assigned(2, TREATED, at(days=21))],
    )
    assert result["requests"] == {"unknown": 2}


def test_the_window_includes_its_start_and_excludes_its_end(tmp_path):
    edges = [at(hours=-1), at(hours=-1, microseconds=-1), at(days=2), at(days=2, microseconds=-1)]
    result = world(tmp_path, requests=[request(n, edge) for n, edge in enumerate(edges)], assignments=[])
    assert result["requests"] == {"unknown": 2}


def two_arms(tmp_path, **tables):
    """One control and one treated request; every table about the treated one (r1)."""
    return world(
        tmp_path,
        requests=[request(0), request(1)],
        assignments=[assigned(0, CONTROL), assigned(1, TREATED)],
        **tables,
    )["levels"]


def test_the_event_log_dates_only_the_earliest_quote_of_a_pro(tmp_path):
    levels = two_arms(
        tmp_path,
        quotes=[
            quote("a", 1, at(hours=5), "p1"),
            quote("b", 1, at(hours=30), "p1"),
            quote("c", 1, at(hours=6), "p2"),
        ],
        quote_events=[event(1, at(hours=3), "p1"), event(1, at(hours=4), "p1")],
    )
    assert levels["ttfq_median", TREATED] == (1, 3 * 3600.0)
    # Were the log's time given to both quotes of p1, three would lie within 24 hours.
    assert levels["three_quotes_within_24h", TREATED] == (1, 0.0)
    assert levels["quotes_per_request", TREATED] == (1, 3.0)


def test_a_quote_without_time_takes_the_log_s_and_does_not_count_without_one(tmp_path):
    levels = two_arms(
        tmp_path,
        quotes=[quote("a", 1, None, "p1"), quote("b", 1, None, "p2")],
        quote_events=[event(1, at(minutes=3), "p1")],
    )
    assert levels["ttfq_median", TREATED] == (1, 180.0)
    assert levels["quotes_per_request", TREATED] == (1, 1.0)


def test_copies_and_re_sent_quotes_count_once(tmp_path):
    original = quote("a", 1, at(minutes=9))
    hire = ("h1", "r1", "p1", at(days=1), 50.0, "completed")
    ticket = ("t1", "r1", at(days=1))
    flag = ("a", at(days=1))
    levels = two_arms(
        tmp_path,
        quotes=[original, original, ("b", *original[1:])],
        hires=[hire, hire],
        support_tickets=[ticket, ticket],
        spam_flags=[flag, flag, ("b", at(days=2))],
    )
    assert levels["quotes_per_request", TREATED] == (1, 1.0)
    assert levels["gmv_per_request", TREATED] == (1, 50.0)
    assert levels["support_tickets_per_100_requests", TREATED] == (1, 100.0)
    assert levels["spam_flags_per_1000_quotes", TREATED] == (1, 2000.0)


def test_a_quote_before_its_request_is_never_first_but_counts(tmp_path):
    levels = two_arms(
        tmp_path, quotes=[quote("a", 1, at(minutes=-5), "p1"), quote("b", 1, at(minutes=40), "p2")]
    )
    assert levels["ttfq_median", TREATED] == (1, 2400.0)
    assert levels["quoted_within_30m", TREATED] == (1, 0.0)
    assert levels["quotes_per_request", TREATED] == (1, 2.0)


@pytest.mark.parametrize(("late", "expected"), [(0, 1.0), (1, 0.0)])
def test_limits_are_inclusive_to_the_microsecond(tmp_path, late, expected):
    levels = two_arms(
        tmp_path,
        quotes=[quote("a", 1, at(minutes=30, microseconds=late))],
        hires=[("h", "r1", "p1", at(days=7, microseconds=late), 10.0, "completed")],
    )
    assert levels["quoted_within_30m", TREATED] == (1, expected)
    assert levels["hire_rate_7d", TREATED] == (1, expected)
    assert levels["hire_rate_3d", TREATED] == (1, 0.0)


def test_the_quantile_is_the_smallest_value_that_enough_requests_reach(tmp_path):
    result = world(
        tmp_path,
        requests=[request(n) for n in range(12)],
        assignments=[assigned(n, CONTROL if n >= 10 else TREATED) for n in range(12)],
        quotes=[quote(f"q{n}", n, at(minutes=n + 1)) for n in range(9)] + [quote("c", 10, at(minutes=8))],
    )
    levels = result["levels"]
    # Ten treated requests, one of them without a quote: the 5th and the 9th smallest.
    assert levels["ttfq_median", TREATED] == (10, 300.0)
    assert levels["ttfq_p90", TREATED] == (10, 540.0)
    # Two control requests, one without a quote: the median is the 1st, the 90th percentile infinite.
    assert levels["ttfq_median", CONTROL] == (2, 480.0)
    assert levels["ttfq_p90", CONTROL] == (2, None)
    assert result["effects"]["ttfq_median", TREATED] == pytest.approx(300 / 480 - 1)
    assert result["effects"]["ttfq_p90", TREATED] is None


def test_a_relative_effect_on_nothing_is_undefined_and_an_absolute_one_is_not(tmp_path):
    result = world(
        tmp_path,
        requests=[request(0), request(1)],
        assignments=[assigned(0, CONTROL), assigned(1, TREATED)],
        support_tickets=[("t1", "r1", at(days=1))],
        hires=[
            ("h1", "r1", "p1", at(days=1), 80.0, "refunded"),
            ("h2", "r1", "p2", at(days=9), 20.0, "completed"),
        ],
    )
    assert result["effects"]["support_tickets_per_100_requests", TREATED] is None
    assert result["effects"]["gmv_per_request", TREATED] == 100.0
    assert result["levels"]["refund_rate", TREATED] == (1, 0.5)
    assert result["levels"]["refund_rate", CONTROL] == (1, None)
    assert result["effects"]["refund_rate", TREATED] is None


def test_a_stale_source_shortens_the_cohort_of_its_own_metrics_only(tmp_path):
    created = [at(), at(days=1, hours=12)]
    result = world(
        tmp_path,
        freshness={"hires": "36h", "quotes": "24h"},
        requests=[request(n, created[n]) for n in range(2)],
        assignments=[assigned(n, TREATED) for n in range(2)],
        quotes=[quote("a", 0, at(days=19, hours=12))],
        hires=[
            ("h", "r0", "p1", at(days=8), 10.0, "completed"),
            ("f", "r0", "p1", at(days=21), 1.0, "completed"),
        ],
    )
    levels = result["levels"]
    assert levels["hire_rate_7d", TREATED] == (1, 0.0)
    assert levels["hire_rate_3d", TREATED] == (2, 0.0)
    assert levels["quotes_per_request", TREATED] == (2, 0.5)


def test_a_young_request_is_left_out_where_the_horizon_is_long(tmp_path):
    result = world(
        tmp_path,
        as_of=DAY0 + timedelta(days=7, hours=12),
        requests=[request(0), request(1, at(hours=12)), request(2, at(hours=12, microseconds=1))],
        assignments=[assigned(n, TREATED) for n in range(3)],
        hires=[("h", "r2", "p1", at(days=1), 10.0, "completed")],
    )
    assert result["levels"]["hire_rate_7d", TREATED] == (2, 0.0)
    assert result["levels"]["hire_rate_3d", TREATED] == (3, pytest.approx(1 / 3))


def test_rows_dated_after_as_of_never_count(tmp_path):
    later = at(days=21)
    levels = two_arms(
        tmp_path,
        quotes=[quote("a", 1, later, "p1"), quote("b", 1, at(hours=1), "p2")],
        quote_events=[event(1, later, "p2")],
        hires=[("h", "r1", "p1", later, 10.0, "refunded")],
        support_tickets=[("t", "r1", later)],
        spam_flags=[("b", later)],
    )
    assert levels["quotes_per_request", TREATED] == (1, 1.0)
    assert levels["ttfq_median", TREATED] == (1, 3600.0)
    assert levels["gmv_per_request", TREATED] == (1, 0.0)
    assert levels["support_tickets_per_100_requests", TREATED] == (1, 0.0)
    assert levels["spam_flags_per_1000_quotes", TREATED] == (1, 0.0)


def test_a_metric_without_its_source_does_not_exist(tmp_path):
    result = world(tmp_path, requests=[request(1)], assignments=[assigned(1, TREATED)], quotes=[])
    names = {metric for metric, _ in result["levels"]}
    assert "ttfq_median" in names
    assert not names & {"hire_rate_7d", "support_tickets_per_100_requests", "spam_flags_per_1000_quotes"}


def returning(tmp_path, quotes, **options):
    """The share of returning pros of a world with control r0, treated r1 and r2, r3 of no arm, r4 before the window."""
    result = world(
        tmp_path,
        requests=[request(n) for n in range(4)] + [request(4, at(days=-3))],
        assignments=[assigned(0, CONTROL), assigned(1, TREATED), assigned(2, TREATED)],
        quotes=quotes,
        **options,
    )
    return result["levels"]["pro_return_rate_7d", TREATED]


@pytest.mark.parametrize(("late", "expected"), [(0, 1.0), (1, 0.0)])
@pytest.mark.parametrize("where", [0, 1, 2, 3, 4, 99])
def test_a_pro_returns_with_a_quote_on_any_request_up_to_seven_days_after_the_first(
    tmp_path, where, late, expected
):
    back = quote("b", where, at(days=8, microseconds=late))
    assert returning(tmp_path, [quote("a", 1, at(days=1)), back]) == (1, expected)


def test_a_quote_at_the_same_moment_or_sent_again_is_no_return(tmp_path):
    first = quote("a", 1, at(days=1))
    assert returning(tmp_path, [first, ("b", *first[1:]), quote("c", 2, at(days=1))]) == (1, 0.0)


def test_a_pro_begins_in_each_arm_with_the_first_quote_there(tmp_path):
    quotes = [
        quote("a", 0, at(days=1)),
        quote("b", 1, at(days=5)),
        quote("c", 2, at(days=12, microseconds=1)),
        quote("d", 4, at(hours=1), "p2"),
        quote("e", 1, at(days=1), None),
        quote("f", 1, None, "p3"),
    ]
    assert returning(tmp_path, quotes) == (1, 0.0)


def test_a_quote_before_its_request_may_be_a_pros_first(tmp_path):
    assert returning(tmp_path, [quote("a", 1, at(days=-1)), quote("b", 1, at(days=7))]) == (1, 0.0)


def test_young_pros_do_not_count_even_if_they_are_back(tmp_path):
    quotes = [
        quote("a", 1, at(days=13)),
        quote("b", 1, at(days=13, microseconds=1), "p2"),
        quote("c", 1, at(days=14), "p2"),
        quote("d", 1, at(days=21), "p1"),
    ]
    assert returning(tmp_path, quotes) == (1, 0.0)
    stale = {"freshness": {"quotes": "24h"}}
    assert returning(tmp_path, quotes[:3], **stale) == (0, None)


def recomputed(folder, spec, faults=None):
    made = generate(spec, folder, faults)
    return recompute(folder, yaml.safe_load(write_config(folder, made).read_text()))


@pytest.mark.parametrize("unit", ["request", "customer", "session"])
def test_it_agrees_with_the_dashboards_of_a_clean_demo_world(tmp_path, unit):
    result = recomputed(tmp_path, WorldSpec(requests=3_000, unit=unit))
    shown = duckdb.sql(f"select metric, variant, value from '{tmp_path}/dashboards.parquet'").fetchall()
    assert len(shown) == 6
    for metric, variant, value in shown:
        assert result["levels"][metric, variant][1] == pytest.approx(value, rel=1e-12)


def test_faults_that_can_be_repaired_leave_every_metric_as_it_was(tmp_path):
    spec = WorldSpec(requests=3_000, seed=3)
    repairable = Faults(
        missing_quote_variant=0.18,
        recovered_assignment=0.05,
        duplicates={"quotes": 0.03, "hires": 0.03, "requests": 0.02, "assignments": 0.02, "spam_flags": 0.05},
        resent_quotes=0.03,
        nulls={"quotes.quoted_at": 0.1},
        multiple_exposures=0.03,
        future={"quotes": 0.02, "hires": 0.02, "support_tickets": 0.05, "quote_events": 0.02},
        invalid={"quotes.variant": 0.05},
    )
    clean, repaired = recomputed(tmp_path / "a", spec), recomputed(tmp_path / "b", spec, repairable)
    assert repaired["requests"] == clean["requests"]
    for key, (n, value) in clean["levels"].items():
        expected = value if value is None else pytest.approx(value, rel=1e-12)
        assert repaired["levels"][key] == (n, expected), key


def test_the_founding_story_reads_as_a_launch_that_its_data_can_barely_carry(tmp_path):
    effects = recomputed(tmp_path, *founding_story())["effects"]
    assert effects["ttfq_median", TREATED] < -0.10
    assert effects["hire_rate_7d", TREATED] > -0.005
    assert effects["support_tickets_per_100_requests", TREATED] < 0.10
    assert effects["spam_flags_per_1000_quotes", TREATED] < 0.05
