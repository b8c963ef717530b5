"""The clock of a run: plumbline.yml's, one given by hand, or the end of a daily partition; and what a look back leaves alone."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest
import yaml

from dagster_pipeline.engines.warehouse import WarehouseSession
from dagster_pipeline.errors import ConfigError
from dagster_pipeline.register.history import Merged
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from tests.rollouts import config_with

DAY = "2026-10-29"
END = datetime(2026, 10, 30, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def resources_module():
    from dagster_pipeline.defs import resources

    return resources


# --- the clock ---------------------------------------------------------------------------------


def clock(as_of="", **tags):
    from dagster_pipeline.defs.resources import run_clock

    return run_clock(as_of, {name.replace("__", "/"): value for name, value in tags.items()})


def test_without_a_day_a_run_goes_by_plumbline_yml():
    assert clock() is None


def test_a_day_ends_with_the_midnight_after_it():
    assert clock(dagster__partition=DAY) == END
    assert clock(dagster__partition="2026-12-31") == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_clock_given_by_hand_goes_before_the_partition_and_may_have_an_offset():
    assert clock("2026-11-06T02:00:00+02:00", dagster__partition=DAY) == datetime(2026, 11, 6, tzinfo=UTC)


@pytest.mark.parametrize("given", [{"as_of": "yesterday"}, {"dagster__partition": "2026-13-01"}])
def test_what_is_no_moment_is_refused_by_name(given):
    with pytest.raises(ConfigError, match="no moment in time"):
        clock(**given)


# --- a run and its register ---------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A project whose register stands at midnight of 1 November."""
    config = tmp_path / "plumbline.yml"
    config.write_text(yaml.safe_dump(config_with()))
    warehouse = tmp_path / ".plumbline" / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse)) as connection:
        prepare(connection)
        stands = datetime(2026, 11, 1, tzinfo=UTC)
        append_run(connection, RunRecord("first", stands, stands, ()))
        connection.execute("create table today as select 1 as x")
    return SimpleNamespace(config=config, warehouse=warehouse, output=tmp_path / "out")


def look(project, as_of="", partition=None, is_readiness=False):
    """What a run of the project knows of itself."""
    from dagster_pipeline.defs.resources import PlumblineRun

    seen = {}
    run = PlumblineRun(
        config_path=str(project.config), output=str(project.output), is_readiness=is_readiness, as_of=as_of
    )
    days = dg.StaticPartitionsDefinition([partition]) if partition else None

    @dg.asset(partitions_def=days)
    def probe(plumbline: PlumblineRun) -> None:
        seen.update(
            as_of=plumbline.config.as_of, look_back=plumbline.is_look_back, folder=plumbline.output_folder,
            decides_nothing=plumbline.decides_nothing, day=plumbline.day,
        )  # fmt: skip

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([probe], instance=instance, partition_key=partition, resources={"plumbline": run})
    return SimpleNamespace(**seen)


def test_a_partition_runs_by_the_end_of_its_day(project):
    found = look(project, partition="2026-11-03")
    assert (found.as_of, found.day) == (datetime(2026, 11, 4, tzinfo=UTC), "2026-11-03")
    assert (found.look_back, found.folder, found.decides_nothing) == (False, project.output, None)


def test_a_day_before_the_register_is_looked_back_at_and_decides_nothing(project):
    found = look(project, partition=DAY)
    assert found.look_back
    assert found.folder == project.output / "days" / DAY
    assert "not a decision of today" in found.decides_nothing


def test_the_day_the_register_stands_at_may_be_run_again(project):
    assert not look(project, partition="2026-10-31").look_back
    assert not look(project, as_of="2026-11-01").look_back
    assert look(project, as_of="2026-10-31T23:59:59Z").look_back


def test_the_clock_of_plumbline_yml_is_its_owners_word_however_old(project):
    project.config.write_text(yaml.safe_dump(config_with() | {"as_of": "2026-01-01"}))
    found = look(project)
    assert (found.as_of.year, found.as_of.month, found.look_back) == (2026, 1, False)


def test_a_first_run_is_never_a_look_back(project):
    project.warehouse.unlink()
    assert not look(project, partition=DAY).look_back


def test_a_dry_run_says_that_it_is_one_whatever_its_day(project):
    assert "readiness" in look(project, partition=DAY, is_readiness=True).decides_nothing


def test_a_look_back_publishes_what_it_measured_and_nothing_of_its_build(project):
    from dagster_pipeline.defs.gate import _keep_look_back
    from dagster_pipeline.defs.register import Registered
    from dagster_pipeline.gate.dossier import Decided

    with WarehouseSession(project.warehouse, "back") as session:
        with session.connection() as connection:  # what dbt would have built of the earlier day
            connection.execute("create or replace table today as select 2 as x")
        run = SimpleNamespace(
            run_id="back",
            config=SimpleNamespace(as_of=END),
            started_at=END + timedelta(days=9),
            session=session,
        )
        kept = _keep_look_back(Registered(Merged((), ()), ()), Decided(), run)
    assert (kept.log, kept.dry_runs) == ((), ())
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        assert connection.execute("select x from today").fetchall() == [(1,)]
        assert connection.execute("select run_id from plumbline_register.runs").fetchall() == [("first",)]
        assert connection.execute("select run_id from plumbline_register.look_backs").fetchall() == [
            ("back",)
        ]


@pytest.mark.parametrize(("name", "needs"), [("expectations", 1), ("gaps_and_rows", 3)])
def test_a_look_back_leaves_the_checks_as_the_last_run_of_today_left_them(name, needs):
    """They would not get past the first line otherwise: there is nothing to check."""
    from dagster_pipeline.defs import checks

    check = getattr(checks, name).op.compute_fn.decorated_fn
    assert list(check(None, *[None] * needs, SimpleNamespace(is_look_back=True))) == []
    with pytest.raises(AttributeError):
        list(check(None, *[None] * needs, SimpleNamespace(is_look_back=False)))


# --- the days there are, and the settings runs wait by ----------------------------------------------


def test_days_begin_with_the_first_experiment_or_a_year_ago():
    from dagster_pipeline.defs.partitions import first_day

    today = datetime(2026, 11, 22, 14, tzinfo=UTC)
    window = SimpleNamespace(start=datetime(2026, 10, 1, 5, tzinfo=UTC))
    later = SimpleNamespace(start=datetime(2026, 10, 9, tzinfo=UTC))
    experiments = [
        SimpleNamespace(window=later),
        SimpleNamespace(window=None),
        SimpleNamespace(window=window),
    ]
    assert first_day(SimpleNamespace(experiments=experiments), today) == datetime(2026, 10, 1, tzinfo=UTC)
    assert first_day(SimpleNamespace(experiments=[]), today) == datetime(2025, 11, 22, tzinfo=UTC)
    assert first_day(None, today) == datetime(2025, 11, 22, tzinfo=UTC)


def test_settings_somebody_wrote_are_left_and_those_of_an_earlier_version_renewed(tmp_path):
    from dagster_pipeline.commands.serve import SETTINGS, write_settings

    file = tmp_path / "dagster.yaml"
    file.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    write_settings(tmp_path)
    assert file.read_text() == SETTINGS
    file.write_text("telemetry:\n  enabled: false\n")
    write_settings(tmp_path)
    assert file.read_text() == "telemetry:\n  enabled: false\n"


# --- what a run is found by ------------------------------------------------------------------------


def test_a_run_is_found_by_its_verdict_its_clock_and_its_engine():
    from dagster_pipeline.defs.run_marks import run_tags

    run = SimpleNamespace(
        run_id="r1", config=SimpleNamespace(as_of=END, warehouse=SimpleNamespace(engine="duckdb")),
        is_readiness=False, is_look_back=True,
    )  # fmt: skip
    report = SimpleNamespace(decisions=[{"verdict": "HOLD"}, {"verdict": "GO"}])
    assert run_tags(report, run) == {
        "plumbline/run_id": "r1", "plumbline/as_of": "2026-10-30T00:00:00Z", "plumbline/engine": "duckdb",
        "plumbline/verdict": "HOLD, GO", "plumbline/kind": "look back",
    }  # fmt: skip
