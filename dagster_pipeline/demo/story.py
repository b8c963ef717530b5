"""The demo's story: the world in which a launch had to be decided on data that could barely carry it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from dagster_pipeline.demo.faults import Faults, NullJump
from dagster_pipeline.demo.spec import WorldSpec
from dagster_pipeline.demo.world import World

_SOURCES = {
    "requests": ("request_id created_at customer_id session_id category geo", "24h"),
    "quotes": ("quote_id request_id pro_id quoted_at price variant", "24h"),
    "hires": ("hire_id request_id pro_id hired_at amount outcome", "36h"),
    "assignments": ("entity_id experiment_id variant assigned_at", None),
    "quote_events": ("request_id pro_id event_at variant", None),
    "messages": ("request_id pro_id sent_at", None),
    "support_tickets": ("ticket_id request_id opened_at", None),
    "spam_flags": ("quote_id flagged_at", None),
    "dashboards": ("metric variant value as_of", None),
}

_BRIEF = """\
brief:
  experiment: {experiment}
  question: Expand the new quoting workflow now, by cohort, or hold?
  confidence: 0.90
  segments: category               # PARTIAL is decided over these
  criteria:                        # min_bound applies to the interval's limit, the others to the estimate
    - {{metric: ttfq_median, effect: relative, min_improvement: 0.10, min_bound: 0.05}}
    - {{metric: hire_rate_7d, effect: absolute, min_delta: -0.005, min_bound: -0.010}}
  guardrails:
    - {{metric: support_tickets_per_100_requests, effect: relative, max_increase: 0.10}}
    - {{metric: spam_flags_per_1000_quotes, effect: relative, max_increase: 0.05}}
"""
_IN_FULL = """\
  context: Pros answer requests from one inbox; the workflow sorts it and fills in the first quote.
  options:
    - {name: Expand everywhere, benefit: faster first quotes in every category, cost: infrastructure for all pros, risk: fewer hires go unseen, effort: 2 weeks}
    - {name: Expand by cohort, benefit: what is proven where it is proven, cost: two workflows side by side, risk: a slower gain, effort: 3 weeks}
    - {name: Hold, benefit: no launch on open questions, cost: the gain of every week waited, risk: the team moves on, effort: none}
  value:                           # made-up amounts: what one whole unit of an effect is worth a day
    currency: USD
    per_day: {hire_rate_7d: 10000000}
    incident: {cost: 2000000, probability: 0.05}
    infrastructure_per_day: 4000
  rollout:
    stages: [{percent: 1, dwell: 2d}, {percent: 10, dwell: 7d}, {percent: 50, dwell: 7d}, {percent: 100, dwell: 14d}]
  owners: {accountable: VP Marketplace, responsible: Quoting team, consulted: Data platform, informed: Support, missing_variant: Quoting team, quotes: Quoting team, hires: Data platform}
  review_date: 2026-12-06
"""
_THRESHOLDS = """\
thresholds:
  null_share: 0.005
"""


def founding_story(requests: int = 40_000) -> tuple[WorldSpec, Faults]:
    """The world the product was made for, and what is wrong with its data.

    One client version sent no variant, so that 18% of quotes carry none, request by request; the assignments know most
    of these requests, and 6% of the cohort's stay without one after every join; the
    quote table's timestamps turn null on 19 October (0.3% → 12.4%), which the event log repairs but for one
    in twelve; hires end four days before the deck, so the window's last days are immature; retries are in the
    table twice; some quotes and their kin have lost their request.
    """
    spec = WorldSpec(requests=requests, seed=20_261_106)
    faults = Faults(
        missing_quote_variant=0.18,
        variant_lost_by_request=True,
        missing_assignment=0.06,
        null_jump=NullJump(
            column="quotes.quoted_at",
            before=0.003,
            after=0.124,
            from_date=datetime(2026, 10, 19, tzinfo=UTC),
            unlogged=1 / 12,
        ),
        stale={"hires": timedelta(days=4)},
        duplicates={"quotes": 0.008, "hires": 0.006},
        resent_quotes=0.012,
        orphans={"quotes": 0.004},
    )
    return spec, faults


def write_config(folder: Path, world: World, name: str = "plumbline.yml", *, in_full: bool = False) -> Path:
    """Writes the world's plumbline.yml into ``folder`` and gives its path; ``in_full`` with all that a brief for a VP holds.

    Files are named relative to the folder where they lie inside it. Columns keep the names of a clean
    world, so a column that a fault dropped or renamed is missing from its source, as in real life.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    origins = {table: str(_inside(file.resolve(), folder.resolve())) for table, file in world.files.items()}
    path.write_text(config_text(world.spec, origins, in_full=in_full), encoding="utf-8")
    return path


def config_text(spec: WorldSpec, origins: Mapping[str, str], *, in_full: bool = False) -> str:
    """The plumbline.yml of a world whose tables are read from ``origins``: by table a file or a relation."""
    lines = [
        "# The demo world: a two-sided marketplace with one experiment.",
        "version: 1",
        "warehouse: {engine: duckdb, path: .plumbline/warehouse.duckdb}",
        f"as_of: {_moment(spec.as_of)}",
        "sources:",
        *(_source(table, origins[table]) for table in _SOURCES if table in origins),
        "experiments:",
        f"  - id: {_text(spec.experiment)}",
        f"    unit: {spec.unit}",
        f"    control: {_text(spec.control)}",
        f"    split: {{{', '.join(f'{_text(a)}: {s}' for a, s in zip(spec.arms, spec.split, strict=True))}}}",
        f"    window: {{start: {_moment(spec.start)}, end: {_moment(spec.end)}}}",
    ]
    brief = _BRIEF.format(experiment=_text(spec.experiment)) + (_IN_FULL if in_full else "")
    return "\n".join(lines) + "\n" + brief + _THRESHOLDS


def _inside(file: Path, folder: Path) -> Path:
    return file.relative_to(folder) if file.is_relative_to(folder) else file


def _source(table: str, origin: str) -> str:
    columns, freshness = _SOURCES[table]
    mapping = ", ".join(f"{column}: {column}" for column in columns.split())
    slo = f"    freshness: {freshness}\n" if freshness else ""
    return f"  {table}:\n    from: {_text(origin)}\n{slo}    columns: {{{mapping}}}"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str) -> str:
    """The value as a YAML scalar: bare where YAML reads it back as itself, else in JSON's quotes."""
    bare = re.fullmatch(r"[\w./-]+", value) is not None and yaml.safe_load(value) == value
    return value if bare else json.dumps(value)
