"""Files as exports really write them: what can be read one way is, what can be read two ways is counted and asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from line import Line, run_line

pytestmark = pytest.mark.pipeline

N = 120
START = datetime(2026, 10, 1)  # noqa: DTZ001 - a local time
CONFIG = {
    "version": 1,
    "as_of": "2026-12-01T00:00:00Z",
    "warehouse": {"engine": "duckdb", "path": "w/warehouse.duckdb"},
    "sources": {
        "requests": {
            "from": "requests.csv",
            "columns": {"request_id": "id", "created_at": "t", "category": "kind"},
        },
        "quotes": {
            "from": "quotes.csv",
            "columns": {
                "quote_id": "id",
                "request_id": "r",
                "pro_id": "p",
                "quoted_at": "t",
                "price": "price",
            },
        },
        "hires": {
            "query": "select id, r, t from read_csv('hires.csv', all_varchar = true) where cast(n as int) > 0",
            "columns": {"hire_id": "id", "request_id": "r", "hired_at": "t"},
        },
        "messages": {
            "from": "messages.csv",
            "columns": {"request_id": "r", "pro_id": "p", "sent_at": "t"},
            "formats": {"sent_at": ["%d/%m/%Y", "%m-%d-%y"]},
            "timezone": "America/New_York",
        },
        "support_tickets": {
            "from": "tickets.csv",
            "columns": {"ticket_id": "id", "request_id": "r", "opened_at": "t"},
        },
    },
}


def write(folder: Path) -> None:
    moments = [START + timedelta(hours=5 * i) for i in range(N)]
    early = [START + timedelta(days=i % 11, hours=i % 20) for i in range(N)]
    tables = {
        # A byte order mark, quoted line breaks, and a format that the days after the 12th decide.
        "requests": ["\ufeffid,t,kind", *(f'r{i},{m:%m-%d-%y %H:%M},"a\nb"' for i, m in enumerate(moments))],
        # No day after the 12th, prices with a currency.
        "quotes": [
            "id,r,p,t,price",
            *(f"q{i},r{i},p1,{m.replace(hour=1):%d/%m/%Y},$5" for i, m in enumerate(early)),
        ],
        # A query that looks whole until its last row.
        "hires": [
            "id,r,t,n",
            *(f"h{i},r{i % N},2026-10-20,1" for i in range(30_000)),
            "hx,r1,2026-10-20,many",
        ],
        "messages": ["r,p,t", *(f"r{i},p1,{m:%d/%m/%Y}" for i, m in enumerate(early)), "r1,p2,10-13-26"],
        # Epochs by their length.
        "tickets": ["id,r,t", "t1,r1,1790848800", "t2,r2,1790848800000", "t3,r3,1790848800000000"],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    folder = tmp_path_factory.mktemp("formats")
    write(folder)
    (folder / "plumbline.yml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return run_line(folder / "plumbline.yml")


def ask(line: Line, sql: str) -> tuple:
    with duckdb.connect(str(line.config.parent / "w" / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()[0]


def test_a_format_the_values_decide_is_used_for_every_row(line):
    assert line.source("requests").canonical_rows == N
    found = ask(
        line, "select min(created_at), max(created_at), min(category) from plumbline_canonical.requests"
    )
    assert found == (START, START + timedelta(hours=5 * (N - 1)), "a\nb")
    assert "(%m-%d-%y %H:%M)" in line.source("requests").note


def test_a_format_that_can_be_read_two_ways_is_a_gap_with_the_count_and_both_readings(line):
    gap = line.gap("invalid_values", "quotes", "quoted_at")
    assert (gap["rows_total"], gap["rows_affected"]) == (N, N)
    assert f"{N} values such as" in gap["description"]
    assert 'formats: {quoted_at: "%m/%d/%Y"} or formats: {quoted_at: "%d/%m/%Y"}' in gap["description"]
    assert ask(line, "select count(quoted_at) from plumbline_staging.stg_quotes") == (0,)


def test_prices_that_are_no_plain_numbers_are_counted_and_described(line):
    gap = line.gap("invalid_values", "quotes", "price")
    assert gap["rows_affected"] == N
    assert "like '$5' (currency)" in gap["description"]


def test_a_query_that_fails_while_it_is_read_is_a_gap_and_the_rest_is_built(line):
    gap = line.gap("not_evaluated", "hires")
    assert "many" in gap["description"]
    assert {row["metric"] for row in line.metrics["levels"]} >= {"quoted", "quotes_per_request"}
    assert "hire_rate_7d" not in {row["metric"] for row in line.metrics["levels"]}


def test_declared_formats_are_read_in_the_sources_zone(line):
    found = ask(
        line,
        "select count(sent_at), min(sent_at), max(case when pro_id = 'p2' then sent_at end) "
        "from plumbline_staging.stg_messages",
    )
    assert found == (N + 1, datetime(2026, 10, 1, 4), datetime(2026, 10, 13, 4))  # noqa: DTZ001
    assert ("invalid_values", "messages", "sent_at") not in line.places()


def test_epochs_are_told_apart_by_their_length(line):
    found = ask(
        line, "select count(distinct opened_at), min(opened_at) from plumbline_staging.stg_support_tickets"
    )
    assert found == (1, datetime(2026, 10, 1, 10))  # noqa: DTZ001
