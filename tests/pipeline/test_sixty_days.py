"""Sixty days in the life of a warehouse, run after run: faults come, grow, go and come back, and people deal with them.

What must be there each day is written down by hand below. Half an hour of runs: only with make test-life.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest
import yaml
from line import run_line

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.defs import resources
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import GapWaiver
from dagster_pipeline.register.acts import ActKind, GapAct, record_act
from dagster_pipeline.register.journal import journal_path
from dagster_pipeline.transform import build

pytestmark = [pytest.mark.pipeline, pytest.mark.life]

DAYS = 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)  # forty days of history come before day 1
DAY_ZERO = BEGIN + timedelta(days=40)

PRICE = gap_id("missing_values", None, "quotes", "price")
ORPHANS = gap_id("orphan_rows", None, "quotes", None)
NAMES = {
    PRICE: "price",
    ORPHANS: "orphans",
    gap_id("missing_partition", None, "requests", None): "no requests",
    gap_id("missing_partition", None, "quotes", None): "no quotes",
    gap_id("not_evaluated", None, "quotes", None): "quotes unread",
    gap_id("not_evaluated", None, "hires", None): "hires unread",
}
EMPTY_DAY = DAY_ZERO + timedelta(
    days=36
)  # nothing came on it, until the files of day 41 brought it after all
BACKFILLED = 41
BROKEN = 45  # a model of ours fails, so that nothing about quotes can be measured
WITHOUT_HIRES = 50  # the file is not there


def nulls_on(day: int) -> float:
    """The share of prices that are null in the quotes delivered on a day."""
    if 5 <= day <= 9 or 30 <= day <= 33 or 43 <= day <= 47:
        return 0.02
    return 0.08 if 10 <= day <= 14 else 0.0


def orphans_on(day: int) -> float:
    """The share of quotes on a request that is not there."""
    return 0.005 if 20 <= day <= 26 else 0.0


@dataclass(frozen=True)
class Spell:
    """What the register must say of a gap in each run from one day to another, both included.

    ``opened`` is the day of its last opening; a resolved gap is listed by the run that found it gone, and then no more.
    """

    first: int
    last: int
    name: str
    status: str
    severity: str
    openings: int
    opened: int
    unmeasured: tuple[int, ...] = ()


# By hand. Without a brief a gap is medium above its threshold (0.5% nulls, 0.1% orphans), high above ten times that.
SPELLS = (
    Spell(5, 7, "price", "open", "medium", 1, 5),
    Spell(8, 9, "price", "acknowledged", "medium", 1, 5),  # Ada saw it at noon of day 7
    Spell(10, 14, "price", "acknowledged", "high", 1, 5),
    Spell(15, 15, "price", "resolved", "info", 1, 5),
    Spell(20, 20, "orphans", "open", "medium", 1, 20),
    Spell(21, 23, "orphans", "accepted", "medium", 1, 20),  # from noon of day 20 to noon of day 23
    Spell(24, 26, "orphans", "open", "medium", 2, 24),
    Spell(27, 27, "orphans", "resolved", "info", 2, 24),
    Spell(30, 33, "price", "open", "medium", 2, 30),
    Spell(34, 34, "price", "resolved", "info", 2, 30),
    # A missing day is known as one once a whole day came after it.
    *(Spell(38, 40, name, "open", "medium", 1, 38) for name in ("no requests", "no quotes")),
    *(Spell(41, 41, name, "resolved", "info", 1, 38) for name in ("no requests", "no quotes")),
    Spell(43, 47, "price", "open", "medium", 3, 43, unmeasured=(BROKEN,)),
    Spell(48, 48, "price", "resolved", "info", 3, 43),
    Spell(45, 45, "quotes unread", "open", "medium", 1, 45),
    Spell(46, 46, "quotes unread", "resolved", "info", 1, 45),
    Spell(50, 50, "hires unread", "open", "medium", 1, 50),
    Spell(51, 51, "hires unread", "resolved", "info", 1, 50),
)
TOLD = {
    5: {"Missing values, quotes.price: Opened"},
    10: {"Missing values, quotes.price: Now high, was medium"},
    15: {"Missing values, quotes.price: Resolved"},
    20: {"Rows without a parent, quotes: Opened"},
    24: {"Rows without a parent, quotes: No longer accepted"},
    27: {"Rows without a parent, quotes: Resolved"},
    30: {"Missing values, quotes.price: Reopened"},
    34: {"Missing values, quotes.price: Resolved"},
    38: {"A day is missing, requests: Opened", "A day is missing, quotes: Opened"},
    41: {"A day is missing, requests: Resolved", "A day is missing, quotes: Resolved"},
    43: {"Missing values, quotes.price: Reopened"},
    45: {"Could not be evaluated, quotes: Opened"},
    46: {"Could not be evaluated, quotes: Resolved"},
    48: {"Missing values, quotes.price: Resolved"},
    50: {"Could not be evaluated, hires: Opened"},
    51: {"Could not be evaluated, hires: Resolved"},
}
"""One message on each of these days, and none on any other: what people did is no news to them."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict]]]:
    """A server that keeps what it is told."""
    heard: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}", heard
    server.shutdown()


class Warehouse:
    """A team's files, its configuration, and a clock that the runs go by."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.config = folder / "plumbline.yml"

    def deliver(self, day: int) -> None:
        """The files as they are on the morning of a day."""
        end = DAY_ZERO + timedelta(days=day)
        present = "true" if day >= BACKFILLED else f"cast(created_at as date) <> date '{EMPTY_DAY:%Y-%m-%d}'"
        with duckdb.connect() as connection:
            connection.execute(_REQUESTS.format(begin=BEGIN, end=end, present=present))
            connection.execute(_QUOTES.format(end=end, nulls=nulls_on(day), orphans=orphans_on(day)))
            connection.execute(_HIRES.format(end=end))
            for table in ("requests", "quotes", "hires"):
                connection.execute(f"copy {table} to '{self.folder}/{table}.parquet' (format parquet)")
        if day == WITHOUT_HIRES:
            (self.folder / "hires.parquet").unlink()

    def configure(self, day: int) -> None:
        """plumbline.yml with the day's clock."""
        sources = {
            "requests": ["request_id", "created_at", "customer_id", "category"],
            "quotes": ["quote_id", "request_id", "pro_id", "quoted_at", "price"],
            "hires": ["hire_id", "request_id", "pro_id", "hired_at", "amount"],
        }
        document = {
            "version": 1,
            "warehouse": {"engine": "duckdb", "path": ".plumbline/warehouse.duckdb"},
            "as_of": f"{DAY_ZERO + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}",
            "sources": {
                name: {"from": f"{name}.parquet", "columns": {column: column for column in columns}}
                for name, columns in sources.items()
            },
            "triage": {"owners": {"quotes": "Ada Chen"}},
            "alerts": {"channels": [{"name": "on call", "url_variable": "ON_CALL_URL", "least": "medium"}]},
        }
        self.config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def run(self, day: int):
        """The morning's run."""
        self.deliver(day)
        self.configure(day)
        now = morning(day)

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return now

        with self.patch.context() as patch:
            patch.setattr(resources, "datetime", Clock)
            if day == BROKEN:
                patch.setattr(build, "build_mapping", _misspelt(build.build_mapping))
            return run_line(self.config)

    def act(self, kind: ActKind, gap: str, day: int, **fields: object) -> None:
        """What somebody does at noon."""
        noon = morning(day) + timedelta(hours=6)
        journal = journal_path(load_config(self.config).file)
        record_act(journal, GapAct(kind, gap, "Ada Chen", noon, "looked at it", **fields))


def morning(day: int) -> datetime:
    return DAY_ZERO + timedelta(days=day, hours=6)


def _misspelt(honest):
    def build_mapping(*args, **kwargs):
        mapping = honest(*args, **kwargs)
        if "quotes" in mapping.variables["sources"]:
            mapping.variables["sources"]["quotes"]["columns"]["price"]["name"] = "no_such_column"
        return mapping

    return build_mapping


_REQUESTS = """
create table requests as
select 'r' || i as request_id, created_at, 'c' || (i % 900) as customer_id, 'k' || (i % 4) as category
from (
    select i, timestamp '{begin:%Y-%m-%d}' + i * interval '15 minutes' as created_at
    from range(100000) as t(i)
) made
where created_at < timestamp '{end:%Y-%m-%d}' and {present}
"""
_QUOTES = """
create table quotes as
select
    'q' || (3 * i + k) as quote_id,
    case when hash(3 * i + k, 'orphan') % 10000 < {orphans} * 10000 then 'gone' || i else request_id end as request_id,
    'p' || ((i + 7 * k) % 300) as pro_id,
    quoted_at,
    case when hash(3 * i + k) % 10000 >= {nulls} * 10000 then 50.0 + (i + k) % 40 end as price
from (
    select cast(substr(request_id, 2) as bigint) as i, k, request_id,
        created_at + (k + 1) * interval '5 minutes' as quoted_at
    from requests, range(3) as t(k)
) made
where quoted_at < timestamp '{end:%Y-%m-%d}'
"""
_HIRES = """
create table hires as
select 'h' || substr(request_id, 2) as hire_id, request_id, 'p' || (cast(substr(request_id, 2) as bigint) % 300) as pro_id,
    created_at + interval '14 minutes' as hired_at, 80.0 as amount
from requests
where cast(substr(request_id, 2) as bigint) % 5 = 0 and created_at + interval '14 minutes' < timestamp '{end:%Y-%m-%d}'
"""


def expected_on(day: int) -> dict[str, tuple[object, ...]]:
    return {
        spell.name: (
            spell.status,
            spell.severity,
            spell.openings,
            morning(spell.opened),
            day in spell.unmeasured,
        )
        for spell in SPELLS
        if spell.first <= day <= spell.last
    }


def shown(register) -> dict[str, tuple[object, ...]]:
    """What the register says of every gap above info, and of what the run resolved."""
    return {
        NAMES.get(gap["gap_id"], f"{gap['kind']} of {gap['table']}.{gap['column']}"): (
            gap["status"],
            gap["severity"],
            gap["lifecycle"]["openings"],
            datetime.fromisoformat(gap["lifecycle"]["opened_at"]),
            gap["lifecycle"]["unmeasured_since"] is not None,
        )
        for gap in register["gaps"]
        if gap["severity"] != "info" or gap["status"] == "resolved"
    }


def said(messages: list[dict]) -> set[str]:
    """What the messages say of each gap: what it is, where, and what happened to it."""
    found = re.findall(r"\*\*.*?: (.*?)\*\*\s+([^\n:]*[^\s:])", "\n".join(m["message"] for m in messages))
    return {f"{gap}: {happened}" for gap, happened in found}


def people_act(warehouse: Warehouse, day: int, line) -> None:
    """At noon of some days."""
    if day == 7:
        warehouse.act(ActKind.ACKNOWLEDGE, PRICE, day)
    if day == 20:
        noon, share = morning(day) + timedelta(hours=6), line.gap("orphan_rows", "quotes")["share_residual"]
        waiver = GapWaiver("Ada Chen", "Ben Ito", "known", None, noon, noon + timedelta(days=3), share, 0.1)
        warehouse.act(ActKind.ACCEPT, ORPHANS, day, waiver=waiver)


def test_every_day_the_register_says_what_is_there_since_when_and_tells_only_what_changed(
    tmp_path, monkeypatch, receiver
):
    address, heard = receiver
    monkeypatch.setenv("ON_CALL_URL", address)
    warehouse = Warehouse(tmp_path, monkeypatch)
    first_seen: dict[str, str] = {}
    for day in range(1, int(os.environ.get("PLUMBLINE_LIFE_DAYS", DAYS)) + 1):
        before = len(heard)
        line = warehouse.run(day)
        assert shown(line.register) == expected_on(day), day
        for gap in line.register["gaps"]:
            assert first_seen.setdefault(gap["gap_id"], gap["first_seen"]) == gap["first_seen"], day
        assert (len(heard) - before, said(heard[before:])) == (int(day in TOLD), TOLD.get(day, set())), day
        people_act(warehouse, day, line)
