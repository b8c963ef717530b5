"""Each planted fault is found with its exact count, by arm too; nothing is found that was not planted or did not follow."""

from __future__ import annotations

import pytest
from line import assert_metrics_equal_recomputation, place_of, planted_places
from planted_worlds import CONTRADICTED, COPIED, LAGS, NULLS

from dagster_pipeline.gaps.kinds import gap_kinds

pytestmark = pytest.mark.pipeline

COUNTABLE = (
    "missing_values",
    "missing_variant",
    "duplicate_rows",
    "conflicting_keys",
    "orphan_rows",
    "invalid_values",
)
ROW_KINDS = {
    "nulls": "missing_values",
    "copies": "duplicate_rows",
    "orphans": "orphan_rows",
    "unlabelled": "missing_variant",
    "unreadable": "invalid_values",
}
KEYS = {"requests": "request_id", "quotes": "quote_id", "hires": "hire_id", "support_tickets": "ticket_id"}
WINDOW = "created_at >= '2026-10-01' and created_at < '2026-10-29'"

# What must follow from a world's faults besides the faults themselves.
CONSEQUENCES = {
    # An assignment that names no arm or no experiment assigns nobody.
    "nulls": {("missing_variant", "requests", None)},
    "copies": set(),
    "orphans": set(),
    # Assignments end with the window; the lost arm shows in the ratio of those that are left.
    "stale": {("stale_source", "assignments", None), ("sample_ratio_mismatch", "assignments", "variant")},
    "unlabelled": set(),
    # Of messages nothing is left to tell two of one request apart by.
    "unreadable": {
        ("duplicate_rows", "messages", None),
        *(("invalid_values", table, column) for table, column in (
            ("requests", "created_at"), ("quotes", "quoted_at"), ("quotes", "price"), ("hires", "hired_at"),
            ("hires", "amount"))),
    },
}  # fmt: skip

# A request's arm as anyone would read it off the raw files: of the cohort, the assignment's or the one its quotes agree
# on; of a request that is lost or can't be dated, the assignment's alone.
ARMS = f"""
    with assigned as (
        select entity_id, min(variant) as arm from assignments
        where experiment_id is not null and variant is not null group by entity_id
    ),
    carried as (
        select request_id, min(variant) as arm
        from (select request_id, variant from quotes union all select request_id, variant from quote_events)
        group by request_id having count(distinct variant) = 1
    ),
    known as (select request_id, min(created_at) as created_at from requests group by request_id),
    arms as (
        select
            coalesce(k.request_id, a.entity_id) as request_id,
            case
                when {WINDOW} then coalesce(a.arm, c.arm, 'unknown')
                when created_at is null then coalesce(a.arm, 'unknown')
            end as arm,
            created_at is null as is_lost
        from known as k full join assigned as a on a.entity_id = k.request_id
        left join carried as c on c.request_id = k.request_id
    ),
    owners as (select quote_id, min(request_id) as request_id from quotes where quote_id is not null group by quote_id)
"""


def carried_arm(time):
    """The arm a quote or event carries itself, where it is not dated outside the window."""
    inside = f"coalesce(t.{time} >= '2026-10-01' and t.{time} < '2026-10-29', true)"
    return f"coalesce(case when {inside} then t.variant end, 'unknown')"


# The rows of a table with the arm of each: of a row whose request nobody knows the arm of, the arm it carries itself.
ROWS = {
    "requests": "select t.*, arm from requests as t left join arms using (request_id)",
    **{
        table: f"select t.*, coalesce(case when is_lost and arm = 'unknown' then {own} else arm end, "
        f"case when t.request_id is null then {own} end) as arm from {table} as t left join arms using (request_id)"
        for table, own in {
            "quotes": carried_arm("quoted_at"),
            "quote_events": carried_arm("event_at"),
            "hires": "'unknown'",
            "messages": "'unknown'",
            "support_tickets": "'unknown'",
        }.items()
    },
    "assignments": "select t.*, arm from assignments as t left join arms on request_id = entity_id and experiment_id is not null",
    "spam_flags": "select t.*, case when o.request_id is null then 'unknown' else arm end as arm from spam_flags as t "
    "left join owners as o using (quote_id) left join arms on arms.request_id = o.request_id",
}


def shares_by_arm(line, table, affected):
    """Affected rows ÷ rows by arm; ``affected`` is an aggregate over the arm's rows."""
    found = line.ask(
        f"{ARMS} select arm, ({affected}) / count(*) from ({ROWS[table]}) as t where arm is not null group by arm"
    )
    return {arm: pytest.approx(share, rel=1e-12) for arm, share in found}


def expected_places(name, line):
    """The places in which the register must have a gap; kinds that nothing measures yet left out."""
    planted = {place for place in planted_places(line.planted) if place[0] in gap_kinds()}
    return planted - {("sample_ratio_mismatch", "requests", None)} | CONSEQUENCES[name]


# A whole run each. What they plant is counted in the default suite too: on the compiled models (tests/worlds), in the story.
ASIDE = ("copies", "orphans", "unreadable", "stale", "unlabelled")


def some_aside(names):
    return [pytest.param(name, marks=pytest.mark.matrix) if name in ASIDE else name for name in names]


# The world's dashboards show what was true before the faults: a fault that moves a level makes them stale.
DASHBOARDS = ("stale_dashboard", "dashboards", "value")


@pytest.mark.parametrize("name", some_aside(CONSEQUENCES))
def test_nothing_is_found_but_what_was_planted_and_what_follows(lines, name):
    assert lines(name).places() - {DASHBOARDS} == expected_places(name, lines(name)) - {DASHBOARDS}


@pytest.mark.parametrize("name", some_aside(["nulls", "copies", "unlabelled"]))
def test_every_planted_row_is_counted_in_a_table_of_all_raw_rows(lines, name):
    line = lines(name)
    for place, count in planted_places(line.planted).items():
        if place[0] not in gap_kinds():
            continue
        gap, (kind, table, _) = line.gap(*place), place
        total = (
            cohort_of(line) if (kind, table) == ("missing_variant", "requests") else line.world.rows[table]
        )
        assert (gap["rows_affected"], gap["rows_total"]) == (count, total), place
        assert gap["share_affected"] == pytest.approx(count / total, rel=1e-12), place


def cohort_of(line):
    """Requests of the experiment's window."""
    return line.number(f"select count(*) from requests where {WINDOW}")


@pytest.mark.parametrize("address", NULLS)
def test_nulls_are_counted_by_arm_and_stay_unless_the_event_log_knows_better(lines, address):
    line, (table, column) = lines("nulls"), address.split(".")
    gap = line.gap("missing_values", table, column)
    assert gap["by_variant"] == shares_by_arm(line, table, f"count(*) filter ({column} is null)")
    unrepaired = gap["rows_affected"]
    if address == "quotes.quoted_at":
        unrepaired = line.number(
            "select count(*) from quotes where quoted_at is null and (request_id, pro_id) not in "
            "(select (request_id, pro_id) from quote_events where event_at is not null "
            "and request_id is not null and pro_id is not null)"
        )
        assert 0 < unrepaired < gap["rows_affected"]
    assert gap["share_residual"] == pytest.approx(unrepaired / gap["rows_total"], rel=1e-12)


def test_an_assignment_without_arm_or_experiment_leaves_its_request_to_its_quotes(lines):
    line = lines("nulls")
    gap = line.gap("missing_variant", "requests")
    unassigned = (
        f"select request_id from requests where {WINDOW} and request_id not in "
        "(select entity_id from assignments where variant is not null and experiment_id is not null)"
    )
    silent = (
        f"{unassigned} and request_id not in (select request_id from quotes where request_id is not null) "
        "and request_id not in (select request_id from quote_events where variant is not null and request_id is not null)"
    )
    assert gap["rows_affected"] == line.number(f"select count(*) from ({unassigned})")
    assert gap["share_residual"] * gap["rows_total"] == pytest.approx(
        line.number(f"select count(*) from ({silent})")
    )
    assert gap["experiment"] == "quoting_v2"


@pytest.mark.matrix
@pytest.mark.parametrize("table", COPIED)
def test_copies_are_counted_by_arm_and_none_is_left(lines, table):
    line = lines("copies")
    gap = line.gap("duplicate_rows", table)
    copies = "count(*) - count(distinct t)"
    if (
        table == "quotes"
    ):  # re-sent under another id: same request, pro and time, but no other reading of one id
        copies = (
            "count(*) - count(distinct (request_id, pro_id, quoted_at)) "
            "- (count(distinct t) - count(distinct quote_id))"
        )
    assert gap["by_variant"] == shares_by_arm(line, table, copies)
    assert gap["share_residual"] == 0


@pytest.mark.matrix
@pytest.mark.parametrize("table", CONTRADICTED)
def test_conflicting_keys_are_counted_by_arm_and_all_are_left(lines, table):
    line = lines("copies")
    gap = line.gap("conflicting_keys", table)
    assert gap["by_variant"] == shares_by_arm(
        line, table, f"count(distinct t) - count(distinct {KEYS[table]})"
    )
    assert gap["share_residual"] == gap["share_affected"]


@pytest.mark.parametrize("name", some_aside(["copies", "unlabelled", "orphans", "stale", "nulls"]))
def test_repaired_metrics_are_those_of_the_raw_files(lines, name):
    assert_metrics_equal_recomputation(lines(name))


@pytest.mark.matrix
def test_children_of_requests_that_are_left_out_are_no_orphans(lines):
    line = lines("orphans")
    used = {"quotes": "price >= 100"}
    for table in ("quotes", "quote_events", "hires", "messages", "support_tickets"):
        gap = line.gap("orphan_rows", table)
        rows = f"{table} where {used.get(table, 'true')}"
        lost = f"{rows} and request_id not in (select request_id from requests)"
        assert gap["rows_affected"] == line.number(f"select count(*) from {lost}") > 0, table
        assert gap["rows_total"] == line.number(f"select count(*) from {rows}"), table
    flags = line.number("select count(*) from spam_flags where quote_id not in (select quote_id from quotes)")
    assert (
        line.gap("orphan_rows", "spam_flags")["rows_affected"]
        == flags
        == line.planted["orphan_rows.spam_flags"]
    )


@pytest.mark.matrix
@pytest.mark.parametrize("table", ["quote_events", "hires", "messages", "support_tickets"])
def test_orphans_are_counted_in_the_arm_their_request_was_assigned_to(lines, table):
    line = lines("orphans")
    kept, unknown = "(select request_id from requests where geo <> 'nyc')", "'unknown'"
    arm = (
        f"case when request_id in {kept} then arms.arm when request_id in (select request_id from requests) then null "
        f"else coalesce(arms.arm, {carried_arm('event_at') if table == 'quote_events' else unknown}) end"
    )
    rows = f"select request_id, {arm} as arm from {table} as t left join arms using (request_id)"
    lost = "count(*) filter (request_id not in (select request_id from requests))"
    found = dict(
        line.ask(f"{ARMS} select arm, {lost} / count(*) from ({rows}) where arm is not null group by arm")
    )
    assert line.gap("orphan_rows", table)["by_variant"] == {arm: pytest.approx(v) for arm, v in found.items()}
    assert found["unknown"] == 1


@pytest.mark.matrix
def test_rows_that_are_left_out_are_counted(lines):
    line = lines("orphans")
    assert (
        line.source("requests").filtered == line.number("select count(*) from requests where geo = 'nyc'") > 0
    )
    assert line.source("quotes").filtered == line.number("select count(*) from quotes where price < 100") > 0
    assert line.source("hires").filtered == 0


@pytest.mark.matrix
@pytest.mark.parametrize("table", [*LAGS, "assignments"])
def test_a_source_behind_its_freshness_is_stale_and_says_how_far(lines, table):
    line = lines("stale")
    gap, source = line.gap("stale_source", table), line.source(table)
    time = {"requests": "created_at", "quotes": "quoted_at", "hires": "hired_at", "assignments": "assigned_at",
            "quote_events": "event_at", "messages": "sent_at", "support_tickets": "opened_at",
            "spam_flags": "flagged_at"}[table]  # fmt: skip
    newest, hours = line.ask(
        f"select max({time}), epoch('2026-11-06'::timestamp - max({time})) / 3600 from {table}"
    )[0]
    assert source.late
    assert source.newest.replace(tzinfo=None) == newest
    assert f"{hours:.1f} h behind the clock" in gap["description"]
    assert (gap["rows_affected"], gap["rows_total"]) == (None, line.world.rows[table])


@pytest.mark.matrix
def test_a_lost_arm_shows_in_the_ratio_of_the_units(lines):
    line = lines("stale")
    gap = line.gap("sample_ratio_mismatch", "assignments", "variant")
    units = dict(line.ask("select variant, count(*) from assignments group by variant"))
    assert units["control"] - units["treatment"] > 0.15 * units["control"]
    assert gap["rows_total"] == sum(units.values())
    assert all(f"{arm} {count:,} of" in gap["description"] for arm, count in units.items())
    assert (gap["severity"], gap["experiment"]) == ("blocker", "quoting_v2")


@pytest.mark.matrix
def test_quotes_and_requests_without_an_arm_are_two_gaps_by_arm(lines):
    line = lines("unlabelled")
    quotes, requests = (
        line.gap("missing_variant", "quotes", "variant"),
        line.gap("missing_variant", "requests"),
    )
    assert quotes["by_variant"] == shares_by_arm(line, "quotes", "count(*) filter (variant is null)")
    cohort = f"select t.*, arm, entity_id from requests as t join arms using (request_id) left join assignments on entity_id = t.request_id where {WINDOW}"
    by_arm = line.ask(
        f"{ARMS} select arm, count(*) filter (entity_id is null) / count(*) from ({cohort}) group by arm"
    )
    assert requests["by_variant"] == {arm: pytest.approx(share) for arm, share in by_arm}
    residual = line.planted["missing_variant.requests.residual"]
    assert requests["share_residual"] == pytest.approx(residual / requests["rows_total"], rel=1e-12)
    lost = line.number(
        f"{ARMS} select count(*) from quotes join arms using (request_id) where variant is null and arm = 'unknown'"
    )
    assert quotes["share_residual"] == pytest.approx(lost / quotes["rows_total"], rel=1e-12)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("table", "column", "turn"),
    [("requests", "created_at", 0), ("quotes", "quoted_at", 0), ("quotes", "price", 1), ("hires", "hired_at", 0), ("hires", "amount", 1)],
)  # fmt: skip
def test_values_that_can_not_be_read_are_counted_and_are_no_nulls(lines, table, column, turn):
    line = lines("unreadable")
    rows = line.world.rows[table]
    gap = line.gap("invalid_values", table, column)
    assert (gap["rows_affected"], gap["rows_total"]) == (
        sum(1 for n in range(1, rows + 1) if n % 40 == turn),
        rows,
    )
    assert ("missing_values", table, column) not in line.places()


@pytest.mark.matrix
def test_requests_that_can_not_be_dated_are_set_aside_with_their_children_no_orphans(lines):
    line = lines("unreadable")
    assert (
        line.source("requests").quarantined
        == line.gap("invalid_values", "requests", "created_at")["rows_affected"]
    )
    assert not [place for place in line.places() if place[0] == "orphan_rows"]


@pytest.mark.matrix
def test_a_column_that_is_gone_is_a_gap_that_names_what_looks_like_it(lines):
    line = lines("unreadable")
    assert line.gap("schema_change", "support_tickets", "request_id")["severity"] == "blocker"
    assert line.gap("schema_change", "messages", "pro_id")["severity"] == "info"
    assert "the source has flaggedat" in line.gap("schema_change", "spam_flags", "flagged_at")["description"]
    assert (
        "a TIME, which can not be read as a timestamp"
        in line.gap("schema_change", "messages", "sent_at")["description"]
    )
    assert line.verdict["verdict"] == "HOLD"


@pytest.mark.matrix
def test_metrics_that_need_no_column_that_is_gone_are_computed_from_what_can_be_read(lines):
    line = lines("unreadable")
    shown = {row["metric"] for row in line.metrics["levels"]}
    assert "support_tickets_per_100_requests" not in shown
    assert "spam_flags_per_1000_quotes" in shown
    gone = ("support_tickets", "spam_flags", "quote_events.variant", "assignments.assigned_at")
    assert_metrics_equal_recomputation(line, without=gone)


@pytest.mark.parametrize("name", some_aside(CONSEQUENCES))
def test_great_expectations_counts_the_rows_the_register_counts(lines, name):
    line = lines(name)
    affected = {place_of(gap): gap["rows_affected"] for gap in line.gaps if gap["segment"] is None}
    counted = [item.check for item in line.outcome.report.checks if item.check.gap_kind in COUNTABLE]
    found = {
        (check.gap_kind, check.table, check.gap_column): check.failing_rows
        for check in counted
        if check.failing_rows is not None
    }
    assert {place: count for place, count in found.items() if count != affected.get(place, 0)} == {}
    hits = [place for place, count in found.items() if count and place[0] == ROW_KINDS.get(name)]
    assert hits or name not in ROW_KINDS


@pytest.mark.parametrize("name", some_aside(ROW_KINDS))
def test_every_failed_check_points_to_its_gap(lines, name):
    line = lines(name)
    places = {gap["gap_id"]: place_of(gap) for gap in line.register["gaps"]}
    failed = [check for check in line.register["checks"] if check["status"] == "failed"]
    assert failed
    for check in failed:
        assert check["gap_id"] in places, check
        assert places[check["gap_id"]][1] == check["table"], check
