"""The example of DESIGN.md §4 and the means to load variations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import ConfigError

EXAMPLE = """\
version: 1
warehouse: {engine: duckdb, path: .plumbline/warehouse.duckdb}
as_of: 2026-11-06T00:00:00Z
sources:
  requests:
    from: requests.parquet
    columns: {request_id: request_id, created_at: created_at, customer_id: customer_id, session_id: session_id, category: category, geo: geo}
    timezone: UTC
    freshness: 24h
    where: "not is_test"
  quotes:          {from: quotes.parquet, columns: {quote_id: quote_id, request_id: request_id, pro_id: pro_id, quoted_at: quoted_at, price: price, variant: variant}, freshness: 24h}
  hires:           {from: hires.parquet, columns: {hire_id: hire_id, request_id: request_id, pro_id: pro_id, hired_at: hired_at, amount: amount, outcome: outcome}, freshness: 36h}
  assignments:     {from: assignments.parquet, columns: {entity_id: entity_id, experiment_id: experiment_id, variant: variant, assigned_at: assigned_at}}
  quote_events:    {from: quote_events.parquet, columns: {request_id: request_id, pro_id: pro_id, event_at: event_at, variant: variant}}
  messages:        {from: messages.parquet, columns: {request_id: request_id, pro_id: pro_id, sent_at: sent_at}}
  support_tickets: {from: support_tickets.parquet, columns: {ticket_id: ticket_id, request_id: request_id, opened_at: opened_at}}
  spam_flags:      {from: spam_flags.parquet, columns: {quote_id: quote_id, flagged_at: flagged_at}}
  dashboards:      {from: dashboards.csv, columns: {metric: metric, variant: variant, value: value, as_of: as_of}}
experiments:
  - id: quoting_v2
    unit: request
    control: control
    split: {control: 0.5, treatment: 0.5}
    window: {start: 2026-10-01, end: 2026-10-29}
    sampling: {quote_events: {treatment: 0.1}}
brief:
  experiment: quoting_v2
  question: Expand the new quoting workflow now, by cohort, or hold?
  confidence: 0.90
  segments: category
  criteria:
    - {metric: ttfq_median, effect: relative, min_improvement: 0.10, min_bound: 0.05}
    - {metric: hire_rate_7d, effect: absolute, min_delta: -0.005, min_bound: -0.010}
  guardrails:
    - {metric: support_tickets_per_100_requests, effect: relative, max_increase: 0.10}
    - {metric: spam_flags_per_1000_quotes, effect: relative, max_increase: 0.05}
thresholds:
  null_share: 0.005
"""

MINIMAL = """\
version: 1
warehouse: {engine: duckdb, path: w.duckdb}
sources:
  requests: {from: requests.csv, columns: {request_id: id, created_at: made}}
"""

Refused = Callable[..., list[str]]


@pytest.fixture
def example() -> str:
    return EXAMPLE


@pytest.fixture
def minimal() -> str:
    return MINIMAL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plumbline.yml"


@pytest.fixture
def load(file: Path):
    """Loads a text as plumbline.yml, with only the given environment."""

    def loaded(text: str, **environment: str):
        file.write_text(text, encoding="utf-8")
        return load_config(file, environment)

    return loaded


@pytest.fixture
def refused(file: Path) -> Refused:
    """The lines of the error that a text is refused with."""

    def lines(text: str | bytes, **environment: str) -> list[str]:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(ConfigError) as caught:
            load_config(file, environment)
        assert caught.value.exit_code == 2
        return str(caught.value).splitlines()

    return lines
