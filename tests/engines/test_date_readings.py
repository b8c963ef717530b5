"""What inspection finds out about text that staging does not read as it stands: from the rows, by counts."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.types import PlumblineConfig, Source, Warehouse
from dagster_pipeline.engines import SourceInspection, SourceStatus, load_engine
from dagster_pipeline.engines.duckdb_profile import ClockChanges, clock_changes, shapes
from dagster_pipeline.engines.formats import FormatRule, decide

DAY = datetime(2026, 10, 1)  # noqa: DTZ001 - a local time


def inspect(path: Path, **source) -> SourceInspection:
    given = {"from": str(path), "columns": {"request_id": "id", "created_at": "t"}} | source
    config = PlumblineConfig(
        version=1,
        warehouse=Warehouse(engine="duckdb", path=path.parent / "warehouse.duckdb"),
        as_of=datetime(2026, 11, 6, tzinfo=UTC),
        sources={"requests": Source(**given)},
        directory=path.parent,
        file=path.parent / "plumbline.yml",
    )
    return load_engine("duckdb").inspect(config)["requests"]


def csv(folder: Path, values: list[str]) -> Path:
    path = folder / "requests.csv"
    path.write_text(
        "id,t\n" + "".join(f'r{i},"{value}"\n' for i, value in enumerate(values)), encoding="utf-8"
    )
    return path


def days(written: str, count: int = 40) -> list[str]:
    return [(DAY + timedelta(days=i)).strftime(written) for i in range(count)]


@pytest.mark.parametrize(
    "written",
    [
        "%Y-%m-%d",
        "%Y/%m/%d %H:%M",
        "%Y-%m-%dT%H:%M:%S.%fZ",
        "%Y-%m-%d %H:%M:%S+02:00",
        "%s",
        "%s000",
        "%s000000",
    ],
)
def test_iso_dates_and_epochs_need_no_reading(tmp_path: Path, written: str):
    found = inspect(csv(tmp_path, days(written)))

    assert (found.readings, found.notes, found.refusals) == ({}, {}, {})


@pytest.mark.parametrize(
    "written",
    [
        "%m-%d-%y",
        "%d-%m-%y",
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M %p",
        "%d.%m.%Y",
        "%Y.%m.%d",
        "%b %d, %Y",
        "%d %b %Y",
        "%d %B %Y %H:%M",
        "%d-%b-%Y",
        "%Y-%m-%d %I:%M:%S %p",
    ],
)
def test_dates_whose_order_the_values_show_are_read_in_it(tmp_path: Path, written: str):
    values = days(written)
    found = inspect(csv(tmp_path, values))

    assert found.readings["created_at"].formats == (written,)
    assert found.notes["created_at"].startswith("read as ")
    assert found.refusals == {}
    formats = list(found.readings["created_at"].formats)
    read = duckdb.execute(
        "select try_strptime(v, ?)::date from (select unnest(?) as v)", [formats, values]
    ).fetchall()
    assert [row[0] for row in read] == [(DAY + timedelta(days=i)).date() for i in range(len(values))]


@pytest.mark.parametrize("written", ["%m/%d/%Y", "%d/%m/%Y", "%m-%d-%y %H:%M"])
def test_dates_that_could_be_read_two_ways_are_refused_with_both(tmp_path: Path, written: str):
    values = [value for value, day in zip(days(written), days("%d"), strict=True) if int(day) <= 12]
    found = inspect(csv(tmp_path, values))

    assert found.readings["created_at"].formats == ()
    assert found.readings["created_at"].refused == len(values)
    assert f"{len(values)} values such as" in found.refusals["created_at"]
    assert found.refusals["created_at"].count("formats: {created_at:") >= 2
    assert found.remark == f"created_at: {found.refusals['created_at']}"


def test_mixed_formats_are_counted_apart(tmp_path: Path):
    values = [*days("%Y-%m-%d", 5), *days("%b %d, %Y", 3), "10/13/2026", "13/10/2026", "10/11/2026", "soon"]
    found = inspect(csv(tmp_path, values)).readings["created_at"]

    assert set(found.formats) == {"%b %d, %Y", "%m/%d/%Y", "%d/%m/%Y"}
    assert (found.refused, found.unknown, found.is_mixed) == (1, 1, True)


def test_a_year_of_two_digits_in_front_counts_only_up_to_the_clock(tmp_path: Path):
    ambiguous = inspect(csv(tmp_path, ["13-05-17", "14-05-17"])).readings["created_at"]
    excluded = inspect(csv(tmp_path, ["13-05-17", "27-05-17"])).readings["created_at"]

    assert (ambiguous.formats, ambiguous.refused) == ((), 2)
    assert excluded.formats == ("%d-%m-%y",)


def test_declared_formats_are_taken_at_their_word(tmp_path: Path):
    found = inspect(csv(tmp_path, ["1/2/2026"]), formats={"created_at": "%d/%m/%Y"})

    assert found.readings["created_at"].formats == ("%d/%m/%Y",)
    assert found.readings["created_at"].rule is FormatRule.FIRST
    assert found.remark == ""


def test_odd_values_past_the_first_rows_are_counted_once_the_column_shows_any(tmp_path: Path):
    found = inspect(csv(tmp_path, ["10/11/2026", *["2026-10-01"] * 30_000, "10/13/2026"]))

    assert found.readings["created_at"].formats == ("%m/%d/%Y",)


def test_hostile_values_are_only_shown(tmp_path: Path):
    found = inspect(csv(tmp_path, ["1/2/26'); drop table x; --", "'; --", "\x1b[31m1/2/2026"]))

    assert found.readings["created_at"].unknown == 3
    assert "\x1b" not in found.remark


@given(
    st.lists(st.dates(datetime(1975, 1, 1).date(), datetime(2060, 12, 31).date()), min_size=1, max_size=8),  # noqa: DTZ001
    st.sampled_from(["%m/%d/%Y", "%d/%m/%Y", "%m-%d-%y", "%d-%m-%y", "%d.%m.%y", "%m/%d/%y"]),
)
@settings(max_examples=60, deadline=None)
def test_a_column_in_one_format_is_never_read_in_another(dates, written):
    """False-alarm level zero: whatever is read is right, or it is not read."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select unnest(?) as v", [[day.strftime(written) for day in dates]]
        )
        found = decide(
            shapes(connection, "t", "v", datetime(2026, 11, 6, tzinfo=UTC)), "created_at", "requests"
        )
    assert found is not None
    assert found.formats in ((written,), ())
    assert found.refused == (0 if found.formats else len(dates))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1,234.50", "thousands separators"),
        ("1.234,50", "thousands separators"),
        ("1 234", "thousands separators"),
        ("1,234", "a thousands separator or a decimal comma"),
        ("12,5", "decimal comma"),
        ("$12.50", "currency"),
        ("12 €", "currency"),
        ("EUR 12", "currency"),
        ("12%", "percent"),
        ("twelve", "no number"),
    ],
)
def test_a_price_that_is_no_plain_number_is_described(tmp_path: Path, value: str, kind: str):
    path = tmp_path / "quotes.csv"
    path.write_text(f'id,p\nq1,12\nq2,-3.5e2\nq3,"{value}"\nq4,\n', encoding="utf-8")
    config = PlumblineConfig(
        version=1, warehouse=Warehouse(engine="duckdb", path=tmp_path / "w.duckdb"), directory=tmp_path,
        sources={"quotes": Source(**{"from": str(path), "columns": {"quote_id": "id", "price": "p"}})},
        file=tmp_path / "plumbline.yml",
    )  # fmt: skip

    found = load_engine("duckdb").inspect(config)["quotes"]

    assert found.refusals == {
        "price": f"1 value is no plain number and not read: 1 like {value!r} ({kind}); "
        "convert them in the export or in a query"
    }


@pytest.mark.parametrize(
    ("zone", "repeated", "skipped"),
    [
        ("Europe/Berlin", 60, 60),
        ("America/New_York", 60, 60),
        ("Australia/Lord_Howe", 30, 30),
        ("Asia/Kolkata", 0, 0),
    ],
)
def test_local_minutes_that_occur_twice_or_never_are_counted(zone: str, repeated: int, skipped: int):
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select timestamp '2026-01-01' + interval (i) minute as v from range(525600) r(i)"
        )
        found = clock_changes(connection, "t", "v", zone)
    assert found == ClockChanges(repeated, skipped)
    # By another route: a minute is repeated if both folds are the same wall time at two moments.
    wall = (datetime(2026, 1, 1) + timedelta(minutes=i) for i in range(0, 525600, 30))  # noqa: DTZ001
    folds = [(w.replace(tzinfo=ZoneInfo(zone)), w.replace(tzinfo=ZoneInfo(zone), fold=1)) for w in wall]
    assert sum(a.utcoffset() > b.utcoffset() for a, b in folds) == repeated // 30
    assert sum(a.utcoffset() < b.utcoffset() for a, b in folds) == skipped // 30


def test_local_times_that_occur_twice_or_never_are_said(tmp_path: Path):
    values = [
        "2026-10-25 02:30:00",
        "2026-10-25T02:30:00Z",
        "2026-03-29 02:10",
        "2026-07-01",
        "25/10/2026 02:59",
    ]
    found = inspect(csv(tmp_path, values), timezone="Europe/Berlin")

    assert "2 local times occur twice in Europe/Berlin" in found.notes["created_at"]
    assert "1 local time does not exist" in found.notes["created_at"]
    assert "Europe/Berlin" not in inspect(csv(tmp_path, values)).remark


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_file_of_another_unicode_encoding_is_refused_with_its_name(tmp_path: Path, encoding: str):
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / "r.csv").write_bytes(mark + "id,t\nr1,2026-10-01\n".encode(encoding))

    found = inspect(tmp_path / "r.csv")

    assert found.status is SourceStatus.UNREADABLE
    assert f"is not UTF-8 but {encoding[:6].upper()}; convert it" in (found.row_error or "")


def test_quoted_line_breaks_and_a_byte_order_mark_spoil_no_date(tmp_path: Path):
    text = '\ufeffid,note,t\n"r\n1","a\n""b"",c",10/13/2026\nr2,x,1/2/2026\n'
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")

    found = inspect(tmp_path / "r.csv")

    assert found.columns == {"request_id": "id", "created_at": "t"}
    assert found.readings["created_at"].formats == ("%m/%d/%Y",)
    assert "of 2 values" in found.notes["created_at"]
