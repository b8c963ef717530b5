"""The catalogue of gap kinds, and what each touches (DESIGN.md §5, GAPS.md §1)."""

import pytest

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Thresholds
from dagster_pipeline.gaps.kinds import gap_kinds, touched_metrics
from dagster_pipeline.paths import bundled

TIMES = {"ttfq_median", "ttfq_p90", "quoted_within_30m", "three_quotes_within_24h"}
SPAM = {"spam_flags_per_1000_quotes"}
PROS = {"pro_return_rate_7d"}
QUOTES = TIMES | {"quoted", "quotes_per_request"} | SPAM | PROS
GMV, REFUNDS = {"gmv_per_request"}, {"refund_rate"}
REHIRES = {"rehire_rate_30d"}
HIRE_TIMES = {"hire_rate_7d", "hire_rate_3d"} | REHIRES
HIRES = HIRE_TIMES | GMV | REFUNDS
TICKETS = {"support_tickets_per_100_requests"}
EVERY = QUOTES | HIRES | TICKETS
NONE = set()

# Written by hand: (kinds, source, column) → metrics a gap there can move.
TOUCHED = [
    ("missing_variant", "requests", None, EVERY),
    ("missing_variant", "quotes", "variant", EVERY),
    ("sample_ratio_mismatch", "assignments", "variant", EVERY),
    *(
        ("orphan_rows", s, None, EVERY)
        for s in ("quotes", "hires", "quote_events", "messages", "support_tickets", "assignments")
    ),
    ("orphan_rows", "spam_flags", None, SPAM),
    *((k, "requests", None, EVERY) for k in ("duplicate_rows", "conflicting_keys", "stale_source")),
    *((k, "quotes", None, QUOTES) for k in ("duplicate_rows", "conflicting_keys", "stale_source")),
    *((k, "hires", None, HIRES) for k in ("duplicate_rows", "conflicting_keys", "stale_source")),
    *((k, "support_tickets", None, TICKETS) for k in ("duplicate_rows", "conflicting_keys", "stale_source")),
    *((k, "spam_flags", None, SPAM) for k in ("duplicate_rows", "stale_source")),
    *(
        (k, s, None, NONE)
        for k in ("duplicate_rows", "stale_source")
        for s in ("messages", "assignments", "quote_events", "dashboards")
    ),
    *(
        (kind, *place)
        for kind in ("missing_values", "invalid_values")
        for place in (
            ("requests", "request_id", EVERY),
            ("requests", "created_at", EVERY),
            ("requests", "category", NONE),
            ("requests", "geo", NONE),
            ("requests", "customer_id", REHIRES),
            ("quotes", "quote_id", QUOTES),
            ("quotes", "request_id", QUOTES),
            ("quotes", "quoted_at", QUOTES),
            ("quotes", "price", NONE),
            ("quotes", "pro_id", PROS),
            ("hires", "hire_id", HIRES),
            ("hires", "request_id", HIRES),
            ("hires", "hired_at", HIRES),
            ("hires", "amount", GMV),
            ("hires", "outcome", REFUNDS),
            ("hires", "pro_id", NONE),
            ("support_tickets", "request_id", TICKETS),
            ("support_tickets", "ticket_id", TICKETS),
            ("support_tickets", "opened_at", TICKETS),
            ("spam_flags", "quote_id", SPAM),
            ("spam_flags", "flagged_at", SPAM),
            ("quote_events", "event_at", TIMES),
            ("quote_events", "pro_id", NONE),
            ("messages", "sent_at", NONE),
        )
    ),
    ("missing_values", "assignments", "variant", NONE),
    *(("invalid_values", s, "variant", EVERY) for s in ("assignments", "quotes", "quote_events")),
    ("timestamp_disorder", "quotes", "quoted_at", TIMES | PROS),
    ("timestamp_disorder", "quote_events", "event_at", TIMES),
    ("timestamp_disorder", "requests", "created_at", NONE),
    ("source_conflict", "quotes", "quoted_at", TIMES | PROS),
    *((k, "assignments", None, EVERY) for k in ("multiple_exposures", "late_assignment")),
    ("distribution_drift", "requests", "category", EVERY),
    ("distribution_drift", "quotes", "price", NONE),
    ("missing_partition", "requests", None, EVERY),
    ("missing_partition", "hires", None, HIRES),
    ("stale_dashboard", "dashboards", "value", NONE),
    *(
        (kind, *place)
        for kind in ("schema_change", "not_evaluated")
        for place in (
            ("requests", None, EVERY),
            ("requests", "created_at", EVERY),
            ("requests", "geo", NONE),
            ("requests", "customer_id", REHIRES),
            ("quotes", None, QUOTES),
            ("quotes", "request_id", QUOTES),
            ("quotes", "quote_id", SPAM),
            ("quotes", "quoted_at", TIMES | PROS),
            ("quotes", "pro_id", PROS),
            ("quote_events", None, TIMES),
            ("quote_events", "event_at", TIMES),
            ("hires", None, HIRES),
            ("hires", "amount", GMV),
            ("hires", "outcome", REFUNDS),
            ("hires", "hired_at", HIRE_TIMES),
            ("support_tickets", None, TICKETS),
            ("spam_flags", None, SPAM),
            ("messages", None, NONE),
            ("dashboards", None, NONE),
            ("assignments", None, NONE),
        )
    ),
]


def test_the_table_knows_every_metric():
    assert set(metric_definitions()) == EVERY


@pytest.mark.parametrize(("kind", "source", "column", "expected"), TOUCHED)
def test_a_gap_touches_the_metrics_that_are_computed_from_its_place(kind, source, column, expected):
    found = touched_metrics(kind, source, column, metric_definitions().values())
    assert {metric.name for metric in found} == expected


def test_a_kind_nobody_knows_touches_nothing():
    assert touched_metrics("unheard_of", "quotes", None, metric_definitions().values()) == []


def test_there_is_one_kind_per_model():
    models = {
        path.stem.removeprefix("gap_")
        for path in (bundled("dbt_project") / "models" / "gaps").glob("gap_*.sql")
    }
    assert set(gap_kinds()) == models
    assert len(models) >= 9


@pytest.mark.parametrize("kind", gap_kinds().values(), ids=lambda kind: kind.name)
def test_a_kind_says_what_it_is_and_what_to_do_about_it(kind):
    assert kind.dimension in {
        "accuracy",
        "completeness",
        "conformity",
        "consistency",
        "coverage",
        "timeliness",
        "uniqueness",
    }
    for text in (kind.meaning, kind.mitigation, kind.residual_risk, kind.contingency):
        assert text.strip()
    assert not kind.meaning.startswith("Grain:")


@pytest.mark.parametrize("kind", gap_kinds().values(), ids=lambda kind: kind.name)
def test_every_kind_that_counts_rows_has_a_threshold_of_plumbline_yml(kind):
    countless = {"stale_source", "sample_ratio_mismatch", "schema_change", "not_evaluated"}
    countless |= {
        "distribution_drift",
        "missing_partition",
        "pre_exposure_imbalance",
        "sampled_logging",
        "stale_dashboard",
    }
    assert (kind.threshold is None) == (kind.name in countless)
    assert kind.threshold is None or kind.threshold in Thresholds.names()
