"""The worlds of these tests: each run once a session, with one family of faults, and what must follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
from line import Config

from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.story import founding_story
from dagster_pipeline.demo.world import WorldSpec

SMALL = 3_000
"""Requests of a small world; below 1,500 the newest hire may breach its 36 h by chance."""

CHILDREN = ("quotes", "quote_events", "hires", "messages", "support_tickets")


@dataclass(frozen=True)
class Planned:
    """A world to be run: how it is made, and how its files and configuration are changed before."""

    spec: WorldSpec
    faults: Faults = field(default_factory=Faults)
    edit_config: Callable[[Config], None] | None = None
    tamper: Callable[[Path], None] | None = None


# Every mapped column of every table but dashboards'; three have faults of their own (missing variants, orphans).
NULLS = {
    **dict.fromkeys(("requests.created_at", "requests.customer_id", "requests.session_id"), 0.02),
    **dict.fromkeys(("requests.category", "requests.geo"), 0.02),
    **dict.fromkeys(("quotes.quote_id", "quotes.request_id", "quotes.pro_id"), 0.01),
    **dict.fromkeys(("quotes.quoted_at", "quotes.price"), 0.02),
    **dict.fromkeys(("hires.hire_id", "hires.request_id", "hires.pro_id", "hires.hired_at"), 0.03),
    **dict.fromkeys(("hires.amount", "hires.outcome"), 0.03),
    **dict.fromkeys(("assignments.experiment_id", "assignments.variant", "assignments.assigned_at"), 0.02),
    **dict.fromkeys(("quote_events.request_id", "quote_events.pro_id"), 0.01),
    **dict.fromkeys(("quote_events.event_at", "quote_events.variant"), 0.02),
    **dict.fromkeys(("messages.request_id", "messages.pro_id", "messages.sent_at"), 0.01),
    **dict.fromkeys(
        ("support_tickets.ticket_id", "support_tickets.request_id", "support_tickets.opened_at"), 0.06
    ),
    **dict.fromkeys(("spam_flags.quote_id", "spam_flags.flagged_at"), 0.06),
}
COPIED = {
    **dict.fromkeys(("requests", "quotes", "assignments", "quote_events", "messages"), 0.02),
    **dict.fromkeys(("hires", "support_tickets", "spam_flags"), 0.06),
}
CONTRADICTED = {"requests": 0.02, "quotes": 0.01, "hires": 0.03, "support_tickets": 0.05}
DANGLING = {
    "quotes": 0.01,
    "quote_events": 0.01,
    "hires": 0.03,
    "messages": 0.02,
    "support_tickets": 0.05,
    "spam_flags": 0.05,
}
LAGS = {
    "requests": timedelta(days=2),
    "quotes": timedelta(days=3),
    "hires": timedelta(days=4),
    "quote_events": timedelta(days=3),
    "messages": timedelta(days=3),
    "support_tickets": timedelta(days=6),
    "spam_flags": timedelta(days=6),
}
# Assignments end with the experiment's window, eight days before the clock.
ALLOWED = {"assignments": "9d", "support_tickets": "4d", "spam_flags": "4d", "hires": "36h"}


def every_source_has_a_freshness(config: Config) -> None:
    """Freshness on every source: those that are sparse, or end with the window, may lag longer."""
    for name in (*LAGS, "assignments"):
        config["sources"][name]["freshness"] = ALLOWED.get(name, "24h")


def impatient(config: Config) -> None:
    """The same, with less patience for assignments than they need."""
    every_source_has_a_freshness(config)
    config["sources"]["assignments"]["freshness"] = "6d"


def filtered(config: Config) -> None:
    """Requests of one place and cheap quotes are left out, as test traffic would be."""
    config["sources"]["requests"]["where"] = "geo <> 'nyc'"
    config["sources"]["quotes"]["where"] = "price >= 100"


def as_csv(folder: Path) -> None:
    """Rewrites three tables as text in which some times and numbers can not be read."""
    spoilt = {
        "requests": {"created_at": "not a time"},
        "quotes": {"quoted_at": "2026-13-45 10:00", "price": "on request"},
        "hires": {"hired_at": "yesterday", "amount": "12,50 EUR"},
    }
    with duckdb.connect() as connection:
        for table, columns in spoilt.items():
            turns = {column: number for number, column in enumerate(columns)}
            fields = ", ".join(
                f"case when n % 40 = {turns[column]} then '{text}' else {column}::varchar end as {column}"
                for column, text in columns.items()
            )
            source = f"(select *, row_number() over () as n from '{folder}/{table}.parquet')"
            connection.execute(
                f"copy (select * exclude (n) replace ({fields}) from {source}) to '{folder}/{table}.csv' (header)"
            )


def read_csv(config: Config) -> None:
    """The three tables are read from their text."""
    for table in ("requests", "quotes", "hires"):
        config["sources"][table]["from"] = f"{table}.csv"


def second_experiment(folder: Path) -> None:
    """Assigns sessions of a later window to arms of another experiment, all but some, some twice and some at once to two."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create table assignments as select * from '{folder}/assignments.parquet';
            create table sessions as
                select session_id, min(created_at) as started_at, row_number() over (order by session_id) as n
                from '{folder}/requests.parquet'
                where created_at >= '2026-10-08' and created_at < '2026-10-22' group by session_id;
            insert into assignments by name
                select session_id as entity_id, 'ranking' as experiment_id,
                    case when hash(session_id) % 2 = 0 then 'Old' else ' new ' end as variant,
                    started_at - interval 1 second as assigned_at
                from sessions where n % 17 <> 0;
            insert into assignments by name
                select session_id as entity_id, 'ranking' as experiment_id,
                    case when hash(session_id) % 2 = 0 then 'new' else 'old' end as variant,
                    started_at - interval 1 second + interval 1 hour * (n % 2) as assigned_at
                from sessions where n % 23 = 0 and n % 17 <> 0;
            copy assignments to '{folder}/assignments.parquet' (format parquet)
            """
        )


def two_experiments(config: Config) -> None:
    """Adds the second experiment, with a brief of its own."""
    config["experiments"].append(
        {
            "id": "ranking",
            "unit": "session",
            "control": "old",
            "split": {"old": 0.5, "new": 0.5},
            "window": {"start": "2026-10-08", "end": "2026-10-22"},
        }
    )
    first = config["brief"]
    second = {"experiment": "ranking", "criteria": [{"metric": "hire_rate_7d", "min_delta": -0.02}]}
    config["brief"] = [first, second]


_STORY, _STORY_FAULTS = founding_story()

WORLDS = {
    "clean": Planned(WorldSpec(), edit_config=every_source_has_a_freshness),
    "story": Planned(_STORY, _STORY_FAULTS),
    "nulls": Planned(WorldSpec(requests=SMALL, seed=11), Faults(nulls=NULLS)),
    "copies": Planned(
        WorldSpec(requests=SMALL, seed=12),
        Faults(duplicates=COPIED, resent_quotes=0.02, conflicts=CONTRADICTED),
    ),
    "orphans": Planned(
        WorldSpec(requests=SMALL, seed=13),
        Faults(orphans={"quotes": 0.02}, dangling=DANGLING),
        edit_config=filtered,
    ),
    "stale": Planned(WorldSpec(requests=SMALL, seed=14), Faults(srm=0.2, stale=LAGS), edit_config=impatient),
    "unlabelled": Planned(
        WorldSpec(requests=SMALL, seed=15),
        Faults(
            missing_quote_variant=0.18,
            missing_assignment=0.06,
            recovered_assignment=0.05,
            future={"quotes": 0.02, "hires": 0.03, "support_tickets": 0.05, "quote_events": 0.02},
        ),
    ),
    "unreadable": Planned(
        WorldSpec(requests=SMALL, seed=16),
        Faults(
            dropped=("support_tickets.request_id", "quote_events.variant", "messages.pro_id"),
            renamed={"spam_flags.flagged_at": "flaggedat", "assignments.assigned_at": "when"},
            retyped={"messages.sent_at": "TIME"},
        ),
        edit_config=read_csv,
        tamper=as_csv,
    ),
    "experiments": Planned(
        WorldSpec(
            requests=SMALL,
            seed=17,
            unit="customer",
            arms=("control", "fast", "faster"),
            split=(0.5, 0.25, 0.25),
        ),
        Faults(missing_assignment=0.02, recovered_assignment=0.02, duplicates={"quotes": 0.01}),
        edit_config=two_experiments,
        tamper=second_experiment,
    ),
}
