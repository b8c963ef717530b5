"""What `plumbline discover` proposes for data that others have named."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest
import yaml

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.discovery import Proposal, discover, propose
from dagster_pipeline.errors import PlumblineError


def write_csv(path: Path, header: str, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def moment(i: int) -> str:
    return f"2026-10-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:00"


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A marketplace's exports under names of its own; ids are text, as most are."""
    ids = range(200)
    write_csv(
        tmp_path / "lead_requests.csv",
        "id,ts_created,user_id,Metro",
        [f"r-{i},{moment(i)},u-{i % 50},Austin" for i in ids],
    )
    write_csv(
        tmp_path / "fct_bids_v2.csv",
        "bidId,leadRef,ProviderID,bid_time,bid_price,arm",
        [f"b-{i},r-{i % 200},p-{i % 30},{moment(i)},{50 + i}.25,control" for i in range(400)],
    )
    write_csv(
        tmp_path / "ab_assignments.csv",
        "unit_id,test_name,arm,ts",
        [f"r-{i},quoting_v2,{'Control' if i % 2 else 'treatment'},{moment(i)}" for i in ids],
    )
    write_csv(tmp_path / "categories.csv", "code,label", ["1,Photography", "2,Roofing"])
    return tmp_path


def proposed(place: Path) -> Proposal:
    """The proposal as it is saved beside the data."""
    return propose(place, relative_to=place if place.is_dir() else place.parent)


def live(proposal: Proposal) -> dict[str, dict[str, str]]:
    """Source → logical → physical, of the lines that are not comments."""
    sources = yaml.safe_load(proposal.to_yaml())["sources"] or {}
    return {name: source["columns"] for name, source in sources.items()}


def test_sources_and_columns_are_found_under_odd_names(messy: Path):
    found = live(proposed(messy))

    assert found["requests"] == {
        "request_id": "id", "created_at": "ts_created", "customer_id": "user_id", "geo": "Metro",
    }  # fmt: skip
    assert found["quotes"] == {
        "quote_id": "bidId", "request_id": "leadRef", "pro_id": "ProviderID", "quoted_at": "bid_time",
        "price": "bid_price", "variant": "arm",
    }  # fmt: skip
    assert found["assignments"] == {
        "entity_id": "unit_id", "experiment_id": "test_name", "variant": "arm", "assigned_at": "ts",
    }  # fmt: skip


def test_the_proposal_is_a_configuration_that_loads(messy: Path):
    (messy / "plumbline.yml").write_text(proposed(messy).to_yaml(), encoding="utf-8")

    config = load_config(messy / "plumbline.yml")

    assert set(config.sources) == {"requests", "quotes", "assignments"}
    assert config.sources["quotes"].columns["request_id"] == "leadRef"


def test_a_column_whose_values_the_parent_lacks_is_not_taken_for_its_foreign_key(tmp_path: Path):
    write_csv(tmp_path / "requests.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(100)])
    write_csv(tmp_path / "quotes.csv", "quote_id,request_id", [f"q-{i},other-{i}" for i in range(100)])

    text = proposed(tmp_path).to_yaml()

    assert "quotes" not in yaml.safe_load(text)["sources"]
    assert "required and not certain: request_id" in text
    assert "0.50 by its name, 0% of its values exist in the parent" in text


def test_text_values_that_the_parent_holds_tell_its_foreign_key_whatever_the_name(tmp_path: Path):
    write_csv(tmp_path / "requests.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(100)])
    write_csv(tmp_path / "quotes.csv", "quote_id,origin,n", [f"q-{i},r-{i},{i}" for i in range(100)])

    assert live(proposed(tmp_path))["quotes"]["request_id"] == "origin"


def test_numbers_that_the_parent_holds_tell_nothing(tmp_path: Path):
    write_csv(tmp_path / "requests.csv", "request_id,created_at", [f"{i},{moment(i)}" for i in range(100)])
    write_csv(tmp_path / "quotes.csv", "quote_id,floors", [f"{i},{i % 9}" for i in range(100)])

    assert set(live(proposed(tmp_path))) == {"requests"}


def test_two_columns_that_fit_alike_are_offered_and_neither_is_taken(tmp_path: Path):
    write_csv(
        tmp_path / "requests.csv",
        "request_id,created_at,creation_time,submitted_at",
        [f"r-{i},,{moment(i)},{moment(i)}" for i in range(50)],
    )
    write_csv(
        tmp_path / "twice" / "requests.csv",
        "request_id,creation_time,submitted_at",
        [f"r-{i},{moment(i)},{moment(i)}" for i in range(50)],
    )

    text = proposed(tmp_path / "twice").to_yaml()

    assert yaml.safe_load(text)["sources"] is None
    assert "created_at: creation_time   # unsure, 0.90 by its name; or submitted_at (0.90)" in text


def test_two_tables_that_fit_alike_are_offered_and_neither_is_taken(tmp_path: Path):
    for name in ("requests", "leads"):
        write_csv(
            tmp_path / f"{name}.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(50)]
        )

    text = proposed(tmp_path).to_yaml()

    assert yaml.safe_load(text)["sources"] is None
    assert "several tables fit; or leads.csv" in text


def test_a_table_with_fitting_columns_and_a_name_that_says_nothing_is_only_offered(tmp_path: Path):
    write_csv(
        tmp_path / "x42.csv",
        "request_id,created_at,customer_id,session_id,category,geo",
        [f"r-{i},{moment(i)},c,s,k,g" for i in range(50)],
    )

    text = proposed(tmp_path).to_yaml()

    assert yaml.safe_load(text)["sources"] is None
    assert "# requests:   # unsure, 0.50: its name says little" in text


def test_a_time_that_can_be_read_two_ways_is_asked_about_with_both(tmp_path: Path):
    rows = [f"r-{i},{i % 12 + 1}-5-17" for i in range(50)]
    write_csv(tmp_path / "requests.csv", "request_id,created_at", rows)

    text = proposed(tmp_path).to_yaml()

    assert live(proposed(tmp_path))["requests"]["created_at"] == "created_at"
    assert yaml.safe_load(text)["sources"]["requests"].get("formats") is None
    assert '# created_at: "%m-%d-%y" or created_at: "%d-%m-%y"   # which is it? 50 values such as' in text
    assert "as_of" not in yaml.safe_load(text)
    assert "# as_of" not in text, "a time that is not read is no newest time"


def test_a_time_whose_values_show_how_it_is_written_is_proposed_with_its_format(tmp_path: Path):
    write_csv(
        tmp_path / "requests.csv",
        "request_id,created_at",
        [f"r-{i},{i % 12 + 1}-{i % 28 + 1}-17" for i in range(336)],
    )
    write_csv(
        tmp_path / "hires.csv",
        "hire_id,request_id,hired_at",
        [f"h-{i},r-{i},{i % 28 + 1} Oct 2017" for i in range(90)],
    )
    text = proposed(tmp_path).to_yaml()
    (tmp_path / "plumbline.yml").write_text(text, encoding="utf-8")

    config = load_config(tmp_path / "plumbline.yml")

    assert config.sources["requests"].formats == {"created_at": ("%m-%d-%y",)}
    assert config.sources["hires"].formats == {"hired_at": ("%d %b %Y",)}
    assert "192 have a second number above 12 and none a first" in text
    assert "# as_of: 2017-12-28T00:00:00Z" in text


def test_mixed_orders_are_never_proposed_as_a_list_that_would_guess(tmp_path: Path):
    rows = [f"r-{i},{'10/13/2017' if i % 2 else '13/10/2017'}" for i in range(50)]
    write_csv(tmp_path / "requests.csv", "request_id,created_at", rows)

    text = proposed(tmp_path).to_yaml()

    assert yaml.safe_load(text)["sources"]["requests"].get("formats") is None
    assert "formats are mixed" in text


def test_a_name_or_a_number_that_looks_a_little_like_a_date_is_no_time(tmp_path: Path):
    rows = [f"r-{i},{i}-{i}-x,may {i}" for i in range(50)]
    write_csv(tmp_path / "requests.csv", "request_id,created_at,category", rows)

    assert "formats" not in proposed(tmp_path).to_yaml()


def test_epoch_numbers_are_times_under_a_name_that_says_so(tmp_path: Path):
    rows = [f"{i},{1_790_000_000 + i},{1_790_000_000 + i}" for i in range(50)]
    write_csv(tmp_path / "requests.csv", "request_id,created_at,price_cents", rows)

    assert live(proposed(tmp_path))["requests"]["created_at"] == "created_at"


def test_a_few_orphans_are_not_called_all(tmp_path: Path):
    write_csv(tmp_path / "requests.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(999)])
    write_csv(tmp_path / "hires.csv", "hire_id,request_id", [f"h-{i},r-{i}" for i in range(1000)])

    assert "over 99% of its values exist in the parent" in proposed(tmp_path).to_yaml()


def test_a_join_is_proposed_where_only_another_table_knows_the_request(tmp_path: Path):
    write_csv(tmp_path / "requests.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(100)])
    write_csv(
        tmp_path / "invites.csv",
        "invite_id,request_id,user_id",
        [f"i-{i},r-{i % 100},p-{i}" for i in range(300)],
    )
    write_csv(
        tmp_path / "quotes.csv",
        "quote_id,invite_id,quoted_at",
        [f"q-{i},i-{i},{moment(i)}" for i in range(200)],
    )

    text = proposed(tmp_path).to_yaml()
    query = query_of(text)

    assert "quotes" not in yaml.safe_load(text)["sources"]
    with duckdb.connect() as connection:
        relation = connection.execute(query.replace("read_csv('", f"read_csv('{tmp_path}/"))
        assert [column[0] for column in relation.description] == [
            "quote_id",
            "request_id",
            "pro_id",
            "quoted_at",
        ]
        rows = relation.fetchall()
    assert len(rows) == 200
    assert rows == [row for row in rows if row[1] is not None]


def query_of(text: str) -> str:
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip("# ").startswith("query:"))
    return " ".join(line.strip("# ") for line in lines[start + 1 : start + 3])


def test_parts_of_one_table_are_one_source(tmp_path: Path):
    for day in range(1, 6):
        rows = [f"r-{day}-{i},{moment(i)}" for i in range(20)]
        write_csv(tmp_path / f"requests_2026-10-{day:02d}.csv", "request_id,created_at", rows)
        write_csv(tmp_path / "hires" / f"part-{day:05d}.csv", "request_id,hired_at", rows)

    sources = yaml.safe_load(proposed(tmp_path).to_yaml())["sources"]

    assert sources["requests"]["from"] == "requests_*.csv"
    assert sources["hires"]["from"] == "hires/part-*.csv"


def test_files_that_cannot_be_read_are_named_with_the_reason(messy: Path):
    (messy / "hires.parquet").write_bytes(b"PAR1 cut short")
    (messy / "messages.csv.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip at all")
    (messy / "spam_flags.csv").write_bytes(b"")

    text = proposed(messy).to_yaml()

    for name in ("hires.parquet", "messages.csv.gz", "spam_flags.csv"):
        assert f"# not read: {name}: " in text
    assert set(yaml.safe_load(text)["sources"]) == {"requests", "quotes", "assignments"}


@pytest.mark.parametrize(
    "name",
    [
        "created\nsources: {hires: {from: /etc/passwd}}\n#",
        'created" at',
        "created: at # x",
        "créé_à ✓",
        "'created'",
        "no",
        "- created",
    ],
)
def test_a_hostile_column_name_stays_a_name(tmp_path: Path, name: str):
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute(
            'create table requests (request_id text, "' + name.replace('"', '""') + '" timestamp)'
        )
        connection.execute("insert into requests values ('r-1', '2026-10-01'), ('r-2', '2026-10-02')")

    proposal = proposed(tmp_path / "w.duckdb")
    parsed = yaml.safe_load(proposal.to_yaml())

    assert set(parsed) == {"version", "warehouse", "sources"}
    assert set(parsed["sources"] or {}) <= {"requests"}
    for columns in live(proposal).values():
        assert columns.get("created_at", name) == name


def test_a_name_that_the_environment_would_change_is_never_live(tmp_path: Path):
    write_csv(
        tmp_path / "requests${HOME}.csv", "request_id,created_at", [f"r-{i},{moment(i)}" for i in range(9)]
    )

    text = proposed(tmp_path).to_yaml()

    assert yaml.safe_load(text)["sources"] is None
    assert "rename it" in text


def test_tables_of_a_database_are_proposed_by_their_names(tmp_path: Path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.leads as select 'r-' || i as lead_id, now() as created from range(50) t(i)"
        )
        connection.execute('create table "Odd ""Bids" as select 1 as x')
        connection.execute("create schema plumbline_staging")
        connection.execute("create table plumbline_staging.stg_requests as from raw.leads")

    proposal = proposed(tmp_path / "shop.duckdb")
    parsed = yaml.safe_load(proposal.to_yaml())

    assert parsed["sources"]["requests"]["from"] == "raw.leads"
    assert parsed["warehouse"] == {"engine": "duckdb", "path": "shop.duckdb"}
    assert "plumbline_staging" not in proposal.to_yaml()


def test_discover_reads_what_its_connection_sees(tmp_path: Path):
    with duckdb.connect() as connection:
        connection.execute(
            "create table leads as select 'r-' || i as lead_id, now() as created from range(50) t(i)"
        )

        assert yaml.safe_load(discover(connection))["sources"]["requests"]["from"] == "leads"


def test_experiments_are_offered_with_their_observed_split(messy: Path):
    text = proposed(messy).to_yaml()

    commented = [
        line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") or line == "#"
    ]
    block = "\n".join(commented[commented.index("experiments:") :])
    experiment = yaml.safe_load(block)["experiments"][0]
    assert experiment["id"] == "quoting_v2"
    assert experiment["control"] == "control"
    assert experiment["split"] == {"control": 0.5, "treatment": 0.5}
    assert "control 50.0%, treatment 50.0%" in text


@pytest.mark.parametrize("content", [None, "empty"])
def test_a_folder_without_data_is_an_error_that_says_what_to_do(tmp_path: Path, content: str | None):
    folder = tmp_path / "data"
    if content:
        folder.mkdir()

    with pytest.raises(PlumblineError, match=r"name (a folder of|the folder that)"):
        propose(folder)


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path):
    (tmp_path / "x.duckdb").write_text("no database")

    with pytest.raises(PlumblineError, match=r"x\.duckdb cannot be read as a DuckDB database"):
        propose(tmp_path / "x.duckdb")


def test_the_same_folder_gives_the_same_text(messy: Path):
    assert proposed(messy).to_yaml() == proposed(messy).to_yaml()


def test_paths_are_relative_to_where_the_file_will_be_saved(messy: Path):
    text = propose(messy, relative_to=messy.parent).to_yaml()

    assert yaml.safe_load(text)["sources"]["requests"]["from"] == f"{messy.name}/lead_requests.csv"


def test_paths_are_absolute_where_nobody_says_where_it_will_be_saved(messy: Path):
    assert live_origin(propose(messy)) == str(messy.resolve() / "lead_requests.csv")
    assert live_origin(propose(messy, relative_to=messy / "sub")) == str(
        messy.resolve() / "lead_requests.csv"
    )


def live_origin(proposal: Proposal) -> str:
    return str(yaml.safe_load(proposal.to_yaml())["sources"]["requests"]["from"])


@pytest.mark.skipif(
    "PLUMBLINE_DATA" not in os.environ, reason="PLUMBLINE_DATA does not name the shared data folder"
)
def test_a_real_export_gives_its_requests_and_says_how_its_quotes_find_theirs():
    text = proposed(Path(os.environ["PLUMBLINE_DATA"]) / "thumbtack").to_yaml()

    assert yaml.safe_load(text)["sources"]["requests"] == {
        "from": "requests.csv.gz",
        "columns": {
            "request_id": "request_id", "created_at": "creation_time", "customer_id": "user_id",
            "category": "category_id", "geo": "location_id",
        },
    }  # fmt: skip
    assert list(yaml.safe_load(text)["sources"]) == ["requests"]
    assert 'c."invite_id" = b."invite_id"' in query_of(text)
