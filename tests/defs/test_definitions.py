"""The Dagster code location: everything hangs together, and a model that fails never takes the register with it."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.measurements import SourceFact
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.statistics.vocabulary import Direction
from dagster_pipeline.transform.mapping import build_mapping
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus, WarehouseBuild

AFTER_BUILD = ("measurements", "check_results", "gap_assessment", "gap_register", "launch_preparation", "launch_gate", "decision_dossiers", "published_warehouse", "report", "pipeline_health")  # fmt: skip


@pytest.fixture(scope="session")
def location(tmp_path_factory):
    """The definitions, with dbt's state in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_STATE", str(tmp_path_factory.mktemp("state")))
        from dagster_pipeline.definitions import defs
    return defs


@pytest.fixture(scope="session")
def graph(location):
    return location.resolve_asset_graph()


@pytest.fixture(scope="session")
def models(location):
    del location
    from dagster_pipeline.defs.transform import model_specs

    return {spec.key for spec in model_specs()}


def key(name):
    return dg.AssetKey(name)


def source_key(name):
    return dg.AssetKey(["sources", name])


# --- the graph ---------------------------------------------------------------------------------


def test_every_asset_has_a_group_and_says_what_it_is(graph):
    lacking = [
        k.to_user_string()
        for k in graph.get_all_asset_keys()
        if not (graph.get(k).description or "").strip() or graph.get(k).group_name not in GROUPS.values()
    ]
    assert lacking == []


def test_the_groups_read_in_the_order_the_data_flows(graph):
    """Sorted by name, as every list of Dagster's does it, no group depends on one that comes after it."""
    assert sorted(GROUPS.values()) == list(GROUPS.values())
    assert {graph.get(k).group_name for k in graph.get_all_asset_keys()} == set(GROUPS.values())
    backwards = [
        f"{graph.get(k).group_name} depends on {graph.get(parent).group_name}"
        for k in graph.get_all_asset_keys()
        for parent in graph.get(k).parent_keys
        if graph.get(parent).group_name > graph.get(k).group_name
    ]
    assert backwards == []


def test_every_source_of_the_catalogue_is_an_asset_others_make(graph):
    sources = {source_key(name) for name in source_specs()}
    assert {k for k in graph.get_all_asset_keys() if graph.get(k).is_external} == sources
    for name in source_specs():
        assert graph.get(source_key(name)).child_keys == {key(f"stg_{name}"), key("source_inspection")}


def test_every_asset_says_what_it_is_made_with(graph):
    assert [k for k in graph.get_all_asset_keys() if not graph.get(k).kinds] == []


def test_every_dbt_model_is_an_asset_in_the_group_of_its_layer(graph, models):
    assert len(models) > 30
    assert {graph.get(k).group_name for k in models} == {
        "02_staging",
        "03_intermediate",
        "04_canonical",
        "05_metrics",
        "06_measured_gaps",
    }


def test_nothing_but_other_models_and_the_build_depends_on_a_single_model(graph, models):
    """A model that fails is skipped, and Dagster skips all that depends on it: the register must not."""
    allowed = models | {key("warehouse_build")}
    wrong = {
        f"{child.to_user_string()} depends on {k.to_user_string()}"
        for k in models
        for child in graph.get(k).child_keys
        if child not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize("name", AFTER_BUILD)
def test_everything_later_depends_only_on_what_can_not_be_skipped(graph, models, name):
    parents = graph.get(key(name)).parent_keys
    assert parents
    assert not parents & models
    assert parents <= {key(n) for n in (*AFTER_BUILD, "warehouse_build", "source_inspection")}


def test_the_graph_ends_with_the_health_of_the_pipeline(graph):
    """But for the record of a day, which is one only where the pipeline was whole."""
    assert graph.get(key("pipeline_health")).child_keys == {key("daily_verdict")}
    assert graph.get(key("daily_verdict")).child_keys == set()
    assert key("report") in graph.get(key("pipeline_health")).parent_keys
    assert key("published_warehouse") in graph.get(key("report")).parent_keys


def test_the_models_that_start_the_build_come_from_the_inspected_sources(graph):
    assert graph.get(key("stg_requests")).parent_keys == {source_key("requests"), key("source_inspection")}
    assert graph.get(key("gap_schema_change")).parent_keys == {key("source_inspection")}
    assert key("int_requests") in graph.get(key("requests")).parent_keys


def test_one_job_is_the_whole_line(location, graph):
    job = location.resolve_job_def("plumbline")
    layer = job.asset_layer
    assert set(layer.executable_asset_keys) == set(graph.materializable_asset_keys) - {key("daily_verdict")}
    assert {c for c in graph.asset_check_keys} == set(layer.asset_graph.asset_check_keys)  # noqa: C416
    steps = {node.name for node in job.nodes}
    assert {"dbt_build", "expectations", "gaps_and_rows", "invariants", "pipeline_health"} <= steps


def test_it_runs_every_day_at_six_utc_once_switched_on(location):
    schedule = location.resolve_schedule_def("daily")
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.job_name) == (
        "0 6 * * *",
        "UTC",
        "plumbline_daily",
    )
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_what_may_start_a_run_by_itself_is_off_until_somebody_switches_it_on(location):
    sensors = {sensor.name: sensor.default_status for sensor in location.get_repository_def().sensor_defs}
    off = {name for name, status in sensors.items() if status is dg.DefaultSensorStatus.STOPPED}
    assert off == {"default_automation_condition_sensor", "new_data_sensor"}
    assert set(sensors) - off == {"rollback_sensor", "run_failure_sensor", "new_blocker_sensor"}


def test_the_rollback_sensor_watches_the_report_from_the_start(location, graph):
    sensor = location.resolve_sensor_def("rollback_sensor")
    assert sensor.asset_key == key("report")
    assert sensor.asset_key in graph.get_all_asset_keys()
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


# --- days and turns ------------------------------------------------------------------------------


def tick(location, moment):
    schedule = location.resolve_schedule_def("daily")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=moment,
            repository_def=location.get_repository_def(),
        ) as context,
    ):
        return schedule.evaluate_tick(context)


def test_a_tick_asks_for_the_day_before_and_names_it(location):
    from dagster_pipeline.defs.resources import end_of_day

    moment = datetime(2027, 3, 2, 6, tzinfo=UTC)
    [request] = tick(location, moment).run_requests
    assert request.partition_key == "2027-03-01"
    assert request.tags["dagster/partition"] == "2027-03-01"
    assert request.tags["plumbline/day"] == "2027-03-01"
    assert end_of_day(request.partition_key) == moment.replace(hour=0)


def test_a_tick_before_the_first_whole_day_is_skipped(location):
    found = tick(location, datetime(2000, 1, 1, 6, tzinfo=UTC))
    assert found.run_requests == []
    assert "whole day" in found.skip_message


def test_the_daily_job_is_the_line_and_the_record_of_its_day(location):
    line, daily = location.resolve_job_def("plumbline"), location.resolve_job_def("plumbline_daily")
    extra = set(daily.asset_layer.executable_asset_keys) - set(line.asset_layer.executable_asset_keys)
    assert extra == {dg.AssetKey("daily_verdict")}
    assert line.partitions_def is None
    assert (
        daily.partitions_def
        is location.resolve_asset_graph().get(dg.AssetKey("daily_verdict")).partitions_def
    )


def test_a_backfill_is_one_run_a_day(location):
    """A policy would let one run take several days; without one Dagster asks for a run for each."""
    assert location.resolve_asset_graph().get(dg.AssetKey("daily_verdict")).backfill_policy is None


@pytest.mark.parametrize("name", ["plumbline", "plumbline_daily"])
def test_a_run_that_is_repeated_begins_at_its_beginning_and_waits_its_turn(location, name):
    tags = location.resolve_job_def(name).run_tags
    assert tags["dagster/retry_strategy"] == "ALL_STEPS"
    assert tags["plumbline/warehouse"] == "build"


def test_of_two_runs_at_once_the_second_waits(location, tmp_path, monkeypatch):
    """As the daemon counts it, with the settings that `plumbline serve` ships."""
    from dagster._utils.tags import TagConcurrencyLimitsCounter

    from dagster_pipeline.commands.serve import write_settings

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    write_settings(tmp_path)
    tags = location.resolve_job_def("plumbline").run_tags
    with dg.DagsterInstance.get() as instance:
        limits = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
    running = SimpleNamespace(tags=dict(tags))
    other = SimpleNamespace(tags={})
    assert TagConcurrencyLimitsCounter(limits, [running]).is_blocked(running)
    assert not TagConcurrencyLimitsCounter(limits, [running]).is_blocked(other)
    assert not TagConcurrencyLimitsCounter(limits, [other]).is_blocked(running)


# --- checks ------------------------------------------------------------------------------------


OURS = {"invariants", "open_gaps", "row_balance"}


def test_every_expectation_is_a_check_of_the_model_it_looks_at_and_says_its_kind(graph):
    entries = [(file.name, entry) for file in suite_files() for entry in file.entries]
    specs = [graph.get_check_spec(k) for k in graph.asset_check_keys if k.name not in OURS]
    assert len(specs) == len(entries) > 40
    assert {s.asset_key.to_user_string() for s in specs} == {name for name, _ in entries}
    for spec in specs:
        assert spec.metadata["gap_kind"]
        assert isinstance(spec.metadata["affects"], list)
        assert spec.metadata["expectation"] in spec.description
        assert f"report/{spec.metadata['runbook']}" in spec.description


def test_a_check_is_named_for_what_it_looks_for_and_where(graph):
    names = {k.name for k in graph.asset_check_keys if k.asset_key == key("int_quotes")}
    assert {"duplicate_rows", "missing_values__price", "missing_variant__variant", "row_count"} <= names
    assert {"proportion_of_unique_values__quote_id", "not_be_null__request_id"} <= {
        k.name for k in graph.asset_check_keys if k.asset_key == key("quotes")
    }


def test_every_source_has_a_check_of_its_gaps_and_of_its_rows(graph):
    for name in source_specs():
        found = {k.name for k in graph.asset_check_keys if k.asset_key == source_key(name)}
        assert found == {"open_gaps", "row_balance"}


def test_checks_are_shown_once_the_gaps_are_graded(graph):
    for check in graph.asset_check_keys:
        needed = {dep.asset_key for dep in graph.get_check_spec(check).additional_deps}
        if check.name != "invariants" and check.asset_key != key("gap_register"):
            assert key("gap_register") in needed, check


def test_every_model_has_a_check_of_its_invariants(graph, models):
    assert {k.asset_key for k in graph.asset_check_keys if k.name == "invariants"} == models


def test_no_check_blocks_what_comes_after(graph):
    assert [k for k in graph.asset_check_keys if graph.get_check_spec(k).blocking] == []


WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def a_gap(severity, kind="missing_values", table="quotes", column="price", impacts=(), **fields):
    identity = gap_id(kind, None, table, column, None)
    return Gap(
        identity, kind, None, table, column, None, "what it is", GapStatus.OPEN, severity, "why it is so bad",
        120, 12, 0.1, 0.0123456, metrics=impacts, **fields,
    )  # fmt: skip


def an_impact(metric, delta_star, direction):
    return Impact(
        metric, "treatment", "absolute", 0.1, 0.1, 0.0, 0.2, -0.1, 0.1, direction, direction,
        flips_decision=False, delta_star=delta_star,
    )  # fmt: skip


def registered(status, gap=None, observed=0.123456789):
    result = CheckResult(
        "int_quotes",
        "expect_x",
        "quotes",
        "price",
        status,
        observed,
        0.005,
        12,
        120,
        "missing_values",
        message="m",
    )
    return RegisteredCheck(result, gap.gap_id if gap else None)


def shown(status, gap=None):
    from dagster_pipeline.defs.checks import _shown

    found = _shown("missing_values__price", registered(status, gap), {gap.gap_id: gap} if gap else {})
    return found, {name: value.value for name, value in found.metadata.items()}


@pytest.mark.parametrize(
    ("status", "severity", "loudness"),
    [
        (CheckStatus.FAILED, Severity.BLOCKER, ERROR),
        (CheckStatus.FAILED, Severity.HIGH, ERROR),
        (CheckStatus.FAILED, Severity.MEDIUM, WARN),
        (CheckStatus.FAILED, Severity.LOW, WARN),
        (CheckStatus.FAILED, Severity.INFO, WARN),
        (CheckStatus.ERROR, Severity.BLOCKER, ERROR),
        (CheckStatus.ERROR, Severity.INFO, WARN),
        (CheckStatus.FAILED, None, WARN),
        (CheckStatus.ERROR, None, ERROR),
    ],
)
def test_a_failing_check_is_as_loud_as_its_gap_and_one_that_raised_for_nobody_the_loudest(
    status, severity, loudness
):
    found, _ = shown(status, a_gap(severity) if severity else None)
    assert (found.passed, found.severity) == (False, loudness)


def test_a_failing_check_shows_observed_against_threshold_failing_rows_and_its_gap():
    impacts = (
        an_impact("ttfq_median", None, Direction.NONE),
        an_impact("hire_rate_7d", 0.71, Direction.INFLATES),
        an_impact("quoted", 1.5, Direction.EITHER),
    )
    found, metadata = shown(CheckStatus.FAILED, a_gap(Severity.HIGH, impacts=impacts))
    assert found.description == "m"
    assert metadata == {
        "status": "failed", "observed": 0.1235, "threshold": 0.005, "failing_rows": 12, "rows": 120,
        "gap_kind": "missing_values", "severity": "high", "why": "why it is so bad", "what": "what it is",
        "gap": f"Missing values in quotes.price ({gap_id('missing_values', None, 'quotes', 'price', None)})",
        "share_affected": 0.1, "share_left": 0.01235, "moves": "hire_rate_7d of treatment",
        "direction": "inflates", "delta_star": 0.71, "runbook": "runbooks/missing_values.html",
    }  # fmt: skip


def test_a_passing_check_says_what_it_saw_and_no_gap():
    found, metadata = shown(CheckStatus.PASSED)
    assert found.passed
    assert set(metadata) == {"status", "observed", "threshold", "failing_rows", "rows", "gap_kind"}


# --- gaps and rows of a source -----------------------------------------------------------------


def open_gaps(*gaps):
    from dagster_pipeline.defs.checks import _open_gaps

    found = _open_gaps(source_key("quotes"), list(gaps))
    return found, {name: value.value for name, value in found.metadata.items()}


@pytest.mark.parametrize(
    ("severity", "passed", "loudness"),
    [
        (Severity.BLOCKER, False, ERROR),
        (Severity.HIGH, False, ERROR),
        (Severity.MEDIUM, False, WARN),
        (Severity.LOW, False, WARN),
        (Severity.INFO, True, WARN),
    ],
)
def test_a_source_is_as_bad_as_its_worst_gap(severity, passed, loudness):
    found, metadata = open_gaps(a_gap(severity), a_gap(Severity.INFO, column="pro_id"))
    assert (found.passed, found.severity) == (passed, loudness)
    assert metadata["open_gaps"] + metadata["notes"] == 2
    assert ("worst_gap" in metadata) is not passed
    assert metadata["gaps"].count("Missing values") == 2


def test_a_source_without_a_gap_passes_and_says_so():
    found, metadata = open_gaps()
    assert (found.passed, found.description, metadata) == (
        True,
        "No open gap above info.",
        {"open_gaps": 0, "notes": 0},
    )


def test_the_gaps_of_a_source_are_counted_in_words():
    gaps = [a_gap(s, column=f"c{i}") for i, s in enumerate([Severity.BLOCKER, Severity.LOW, Severity.LOW])]
    found, _ = open_gaps(*gaps, a_gap(Severity.INFO))
    assert found.description == "1 blocker, 2 low. 1 note beside."


def test_a_long_table_of_gaps_is_cut_and_says_so():
    _, metadata = open_gaps(*(a_gap(Severity.LOW, column=f"c{i}") for i in range(60)))
    assert metadata["gaps"].count("Missing values") == 50
    assert "10 more, in register.json." in metadata["gaps"]


def balances(kept):
    from dagster_pipeline.defs.checks import _row_balances

    facts = {
        "quotes": SourceFact("quotes", 10, 9, 1, 2, 3, 1, kept, None, is_stale=False),
        "hires": SourceFact("hires", 0, 0, 0, 0, 0, 0, 0, None, is_stale=False),
    }
    inspections = {
        "quotes": SourceInspection("quotes", SourceStatus.OK, relation_sql="q"),
        "messages": SourceInspection("messages", SourceStatus.OK, relation_sql="m"),
        "hires": SourceInspection("hires", SourceStatus.UNMAPPED),
    }
    found = _row_balances(SimpleNamespace(inspections=inspections), SimpleNamespace(sources=facts))
    return {r.asset_key.path[-1]: r for r in found}


@pytest.mark.parametrize(("kept", "passed"), [(3, True), (2, False), (4, False)])
def test_one_row_off_is_an_error_of_its_source(kept, passed):
    found = balances(kept)["quotes"]
    assert (found.passed, found.severity) == (passed, ERROR)
    assert found.metadata["unaccounted"].value == 3 - kept
    assert (found.description == "Every row is accounted for.") is passed


def test_a_source_nobody_counted_fails_and_one_that_is_not_mapped_has_nothing_to_count():
    found = balances(3)
    assert set(found) == {"quotes", "messages"}
    assert not found["messages"].passed
    assert "were not counted" in found["messages"].description


# --- columns -----------------------------------------------------------------------------------


def test_a_column_says_where_it_comes_from_and_long_lists_are_cut():
    from dagster_pipeline.defs.metadata import column_schema

    roots = {"b": ["quotes.b", "quotes.a"], "c": [f"quotes.c{i}" for i in range(7)]}
    schema = column_schema({"a": "BIGINT", "b": "VARCHAR", "c": "DATE"}, {"b": "Said of b."}, roots)
    assert [(c.name, c.type, c.description) for c in schema.columns] == [
        ("a", "BIGINT", None),
        ("b", "VARCHAR", "Said of b. From quotes.a, quotes.b."),
        ("c", "DATE", "From quotes.c0, quotes.c1, quotes.c2, quotes.c3 and 3 more."),
    ]


def test_lineage_leads_from_staging_to_the_sources_own_columns_and_to_none_it_does_not_have():
    from dagster_pipeline.defs.metadata import column_lineage
    from dagster_pipeline.transform.lineage import RAW_SOURCE

    source = SourceInspection("quotes", SourceStatus.OK, physical_columns={"Quote ID": "VARCHAR"})
    parents = {
        "quote_id": frozenset({(RAW_SOURCE, "Quote ID"), (RAW_SOURCE, "no such")}),
        "is_filtered": frozenset(),
    }
    found = column_lineage("stg_quotes", parents, source)
    assert found.deps_by_column == {"quote_id": [dg.TableColumnDep(source_key("quotes"), "Quote ID")]}
    inner = column_lineage("quotes", {"quoted_at": frozenset({("int_quotes", "reconciled_at")})}, None)
    assert inner.deps_by_column == {"quoted_at": [dg.TableColumnDep(key("int_quotes"), "reconciled_at")]}


# --- a run -------------------------------------------------------------------------------------


def node(name, status, kind="model", attached=None):
    return NodeResult(
        f"{kind}.plumbline.{name}",
        name,
        kind,
        status,
        "Catalog Error: no such thing",
        0.1,
        attached_node=attached,
    )


BROKEN = BuildResult(
    (
        node("int_requests", NodeStatus.ERROR),
        node("grain_of_hires", NodeStatus.FAILED, "test", "model.plumbline.hires"),
        node("metric_cells", NodeStatus.SKIPPED),
    )
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return write_config(folder, generate(WorldSpec(requests=200), folder))


def run(location, project, output, result):
    """The real job, with dbt's answer and no expectations."""
    from dagster_pipeline.defs.resources import resources

    def answered(config, inspections, runner, on_node=None):
        del runner
        on_node("int_requests", 1, 2)
        assert {i.status for i in inspections.values()} == {SourceStatus.OK}
        return WarehouseBuild(build_mapping(config, inspections), inspections, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dagster_pipeline.defs.transform.build_warehouse", answered)
        patch.setattr("dagster_pipeline.defs.checks.run_checks", lambda *args, **kwargs: ())
        with dg.DagsterInstance.ephemeral() as instance:
            done = location.resolve_job_def("plumbline").execute_in_process(
                instance=instance,
                raise_on_error=False,
                resources=resources(str(project), str(output)),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            failed = [e.step_key for e in done.all_events if e.is_step_failure]
            return SimpleNamespace(success=done.success, failed=failed, events=done.all_events)


def evaluated(done):
    """What every asset check of a run came to: passed, severity."""
    events = [e.event_specific_data for e in done.events if e.event_type_value == "ASSET_CHECK_EVALUATION"]
    return {(e.asset_key, e.check_name): (e.passed, e.severity) for e in events}


@pytest.fixture(scope="module")
def broken_run(location, project, tmp_path_factory):
    output = tmp_path_factory.mktemp("broken")
    return run(location, project, output, BROKEN), output


def test_a_failing_model_fails_the_run_at_its_very_end_and_nowhere_else(broken_run):
    done, _ = broken_run
    assert not done.success
    assert done.failed == ["pipeline_health"]


def test_the_register_is_written_all_the_same_and_has_the_model_as_not_evaluated(broken_run):
    _, output = broken_run
    gaps = json.loads((output / "register.json").read_text("utf-8"))["gaps"]
    broken = {g["table"]: g for g in gaps if g["kind"] == "not_evaluated"}
    assert set(broken) == {"int_requests", "hires"}
    assert {g["severity"] for g in broken.values()} == {"blocker"}
    assert "grain_of_hires" in broken["hires"]["description"]


def test_what_could_not_be_computed_is_never_a_go(broken_run):
    _, output = broken_run
    verdict = json.loads((output / "verdict.json").read_text("utf-8"))
    assert verdict["verdict"] == "HOLD"
    assert {c["outcome"] for c in verdict["criteria"]} == {"missing"}
    assert (output / "report" / "index.html").exists()


def test_the_warehouse_is_published_so_that_the_register_has_its_history(broken_run, project):
    import duckdb

    del broken_run
    with duckdb.connect(
        str(project.parent / ".plumbline" / "warehouse.duckdb"), read_only=True
    ) as connection:
        tables = {
            r[0]
            for r in connection.execute(
                "select table_name from information_schema.tables where table_schema = 'plumbline_register'"
            ).fetchall()
        }
    assert tables


def test_a_whole_pipeline_is_a_successful_run_whatever_the_verdict(location, project, tmp_path):
    done = run(location, project, tmp_path, BuildResult(()))
    assert done.success, done.failed
    assert json.loads((tmp_path / "verdict.json").read_text("utf-8"))["verdict"] == "HOLD"
    # Nothing was counted here and nothing broke: that no row was lost is not known, and never taken for granted.
    gaps = json.loads((tmp_path / "register.json").read_text("utf-8"))["gaps"]
    assert ("int_source_facts", "blocker") in {(g["table"], g["severity"]) for g in gaps}
    checks = evaluated(done)
    for name in source_specs():
        assert checks[source_key(name), "row_balance"] == (False, ERROR)
    assert checks[key("gap_register"), "open_gaps"] == (False, ERROR)
    assert checks[source_key("quotes"), "open_gaps"][0], "what is not known of a source is no gap of its own"


def test_a_run_holds_the_warehouse_from_its_first_asset_to_its_last(location, project, tmp_path):
    """Another run waits; after the end, however that was, nothing is held."""
    from dagster_pipeline.engines.warehouse import WarehouseSession

    run(location, project, tmp_path, BROKEN)
    path = project.parent / ".plumbline" / "warehouse.duckdb"
    with WarehouseSession(path, "another", wait_seconds=timedelta(seconds=1).total_seconds()) as session:
        assert session.build_path.exists()
