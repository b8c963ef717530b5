"""A run with everything in it: every severity and direction, hostile text, null wherever null may be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sample_track_record import a_track_record

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.types import Experiment, Window
from dagster_pipeline.criteria.rules import Condition, Quantity, Rule, RuleKind, Side
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.contingencies import Contingency
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.gaps.scenarios import End, Played, ScenarioRow, Skew
from dagster_pipeline.register.documents import link_checks
from dagster_pipeline.report.model import (
    Coverage,
    EffectRow,
    ExperimentScenarios,
    LevelRow,
    MetricTables,
    RunReport,
    SourceFacts,
    SourceStatus,
    UnitJoins,
)
from dagster_pipeline.statistics.evidence import EffectKind
from dagster_pipeline.statistics.vocabulary import Direction

AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
EXPERIMENT = "quoting_v2"
ARM = "treatment"
TTFQ, HIRES = "ttfq_median", "hire_rate_7d"
TICKETS, SPAM = "support_tickets_per_100_requests", "spam_flags_per_1000_quotes"


def an_impact(metric=HIRES, bias=(-0.009, 0.018), direction=Direction.EITHER, delta_star=0.71, **fields):
    """An impact whose region follows from its bias: bias = unmitigated − region."""
    unmitigated = fields.pop("unmitigated", 0.0042)
    lower, upper = (None if end is None else unmitigated - end for end in reversed(bias))
    defaults = {
        "effect": "absolute" if metric == HIRES else "relative", "mitigated": 0.0031,
        "expected_direction": Direction.INFLATES, "flips_decision": (delta_star or 9) <= 1,
    }  # fmt: skip
    return Impact(
        metric, ARM, unmitigated=unmitigated, lower=lower, upper=upper,
        bias_lower=bias[0], bias_upper=bias[1],
        direction=direction, delta_star=delta_star, **(defaults | fields),
    )  # fmt: skip


def a_gap(kind, severity, table=None, column=None, **fields):
    experiment = fields.pop("experiment", None)
    defaults = {
        "segment": None, "description": f"{kind} was found", "status": GapStatus.OPEN,
        "severity_reason": "Over its threshold", "rows_total": 40_000, "rows_affected": 7_214,
        "share_affected": 0.18035, "share_residual": 0.0602, "owner": None,
        "first_seen": AS_OF - timedelta(days=2), "last_seen": AS_OF,
    }  # fmt: skip
    identity = gap_id(kind, experiment, table, column, fields.get("segment"))
    return Gap(
        gap_id=identity, kind=kind, experiment=experiment, table=table, column=column,
        severity=severity, **(defaults | fields),
    )  # fmt: skip


def the_gaps():
    """The founding story: one gap per severity and more, of every direction."""
    return (*gaps_that_matter(), *gaps_that_do_not())


def gaps_that_matter():
    return (
        a_gap(
            "stale_source", Severity.BLOCKER, "hires",
            description="The newest hire is 4 days behind; 31.2% of requests have not had their 7 days yet.",
            severity_reason="Only 19.4% of the worst case would turn GO into HOLD.",
            share_affected=0.312, share_residual=0.1433, rows_affected=None, rows_total=None,
            by_variant={"control": 0.3104, ARM: 0.3136},
            metrics=(
                an_impact(bias=(-0.0712, 0.0698), delta_star=0.194, expected_direction=Direction.DEFLATES),
                an_impact(TTFQ, (0.0, 0.0), Direction.NONE, None),
            ),
            mitigation="Judge hires on matured requests only", owner="Data platform",
            residual_risk="14.3% of the cohort has no outcome yet",
            contingency="3-day hire rate × its historical uplift to 7 days",
        ),
        a_gap(
            "missing_variant", Severity.HIGH, "quotes", "variant", experiment=EXPERIMENT,
            description="18% of quotes carry no variant; after joining the assignments 6% remain.",
            severity_reason="71% of the worst case would turn GO into HOLD.",
            by_variant={"control": 0.052, ARM: 0.0684}, differential=True,
            metrics=(
                an_impact(break_even_share=0.0431),
                an_impact(TTFQ, (0.004, 0.021), Direction.INFLATES, 1.4, unmitigated=-0.179),
            ),
            mitigation="Take the variant from the assignment service", owner="Experimentation",
            residual_risk="The 6% could all be of one kind", status=GapStatus.ACKNOWLEDGED,
        ),
        a_gap(
            "duplicate_rows", Severity.MEDIUM, "quotes",
            description="Quotes sent again by retries under another id.",
            rows_affected=812, rows_total=126_431,
            share_affected=0.00642, share_residual=0.0, by_variant={"control": 0.0061, ARM: 0.0068},
            severity_reason="On its own it cannot, but 88% of the joint worst case would change the answer.",
            metrics=(an_impact(TTFQ, (-0.0004, -0.0001), Direction.DEFLATES, 1.72, unmitigated=-0.18),),
            mitigation="Keep one copy per request, pro and time",
        ),
        a_gap(
            "missing_values", Severity.LOW, "quotes", "quoted_at",
            description="Nulls jumped from 0.3% to 12.4% on 2026-10-19: a schema change.",
            rows_affected=8_903, rows_total=126_431, share_affected=0.0704, share_residual=0.0009,
            by_variant={"control": 0.0701, ARM: 0.0707}, segment="created_at=2026-10-19",
            metrics=(an_impact(TTFQ, (-0.002, 0.003), Direction.TOWARD_ZERO, 6.1, unmitigated=-0.17),),
            mitigation="Take the time from the event log", status=GapStatus.ACCEPTED, owner="Supply",
        ),
    )  # fmt: skip


def gaps_that_do_not():
    """Noted, absent on purpose, and resolved."""
    return (
        a_gap(
            "orphan_rows", Severity.INFO, "messages", description="41 messages belong to no request.",
            rows_affected=41, rows_total=98_210, share_affected=0.000417, share_residual=0.000417,
        ),
        a_gap(
            "not_evaluated", Severity.INFO, "dashboards", description="No dashboard is mapped.",
            rows_total=None, rows_affected=None, share_affected=None, share_residual=None,
            first_seen=None, last_seen=None,
        ),
        a_gap(
            "conflicting_keys", Severity.INFO, "hires", status=GapStatus.RESOLVED, rows_affected=0,
            share_affected=0.0, share_residual=0.0,
            severity_reason="Resolved: measured on 2026-11-06, no longer found. It was medium.",
        ),
    )  # fmt: skip


def a_criterion(metric, kind, outcome, figures, delta_star=None, threshold=None, variant=ARM):
    estimate, ci_lower, ci_upper, lower, upper = figures
    return {
        "metric": metric, "variant": variant, "kind": kind, "outcome": outcome, "threshold": threshold,
        "estimate": estimate, "ci_lower": ci_lower, "ci_upper": ci_upper, "lower": lower, "upper": upper,
        "delta_star": delta_star,
    }  # fmt: skip


def a_verdict(verdict="HOLD", experiment=EXPERIMENT, **fields):
    gaps = the_gaps()
    defaults = {
        "segments": [], "stage": None,
        "criteria": [
            a_criterion(TTFQ, "criterion", "passed", (-0.179, -0.204, -0.153, -0.21, -0.142), 1.4, -0.05),
            a_criterion(
                HIRES, "criterion", "failed", (0.0031, -0.0024, 0.0086, -0.0688, 0.0741), 0.19, -0.01
            ),
            a_criterion(TICKETS, "guardrail", "passed", (0.031, -0.044, 0.106, 0.018, 0.052), None, 0.1),
            a_criterion(SPAM, "guardrail", "missing", (None,) * 5, None, 0.05),
        ],
        "blocked_by": [gaps[0].gap_id, gaps[1].gap_id],
        "waivers": [{"gap_id": gaps[3].gap_id, "expires_at": "2026-11-20T00:00:00Z"}],
        "reasons": [
            "HOLD: the 7-day hire rate cannot carry a launch while hires are 4 days late.",
            "19.4% of what late hires could hide is enough to turn GO into HOLD.",
            "Spam flags are not mapped, so their guardrail has no data.",
        ],
        "as_of": "2026-11-06T00:00:00Z", "evaluated_at": "2026-11-06T06:12:41.123456Z",
    }  # fmt: skip
    return {"schema_version": 1, "experiment": experiment, "verdict": verdict, **(defaults | fields)}


def the_brief(experiment=EXPERIMENT):
    return Brief(
        experiment=experiment,
        question="Expand the new quoting workflow now, by cohort, or hold?",
        criteria=(
            Criterion(metric=TTFQ, effect="relative", min_improvement=0.10, min_bound=0.05),
            Criterion(metric=HIRES, effect="absolute", min_delta=-0.005, min_bound=-0.010),
        ),
        guardrails=(
            Guardrail(metric=TICKETS, effect="relative", max_increase=0.10),
            Guardrail(metric=SPAM, effect="relative", max_increase=0.05),
        ),
    )


def the_experiment(experiment=EXPERIMENT):
    return Experiment(
        id=experiment, control="control", split={"control": 0.5, ARM: 0.5},
        window=Window(start=AS_OF - timedelta(days=36), end=AS_OF - timedelta(days=8)),
    )  # fmt: skip


def the_metrics():
    levels, effects = [], []
    for metric, values, kind, figures in (
        (TTFQ, (1212.4, 995.0, 1104.2), "relative", (-0.179, -0.204, -0.153, -0.21, -0.142)),
        ("ttfq_p90", (None, 9121.0, None), "relative", (None, None, None, None, None)),
        (HIRES, (0.12003, 0.12313, 0.1174), "absolute", (0.0031, -0.0024, 0.0086, -0.0688, 0.0741)),
        ("gmv_per_request", (31.2264, 31.9001, 30.4), "absolute", (0.6737, -0.91, 2.26, -1.9, 3.2)),
        (TICKETS, (4.1002, 4.2271, 4.0), "relative", (0.031, -0.044, 0.106, 0.018, 0.052)),
    ):
        for arm, n, value in zip(("control", ARM, "unknown"), (18_841, 18_751, 2_408), values, strict=True):
            reason = "infinite" if value is None else None
            levels.append(LevelRow(EXPERIMENT, metric, arm, n, value, reason))
        effects.append(EffectRow(EXPERIMENT, metric, ARM, EffectKind(kind), *figures))
    segment = "category=plumbing"
    return MetricTables(
        tuple(levels), tuple(effects),
        tuple(replace(row, segment=segment) for row in levels[:2]),
        (replace(effects[0], segment=segment, upper=None, reason="unbounded"),),
    )  # fmt: skip


def the_checks(gaps):
    checks = (
        CheckResult("quotes", "expect_column_values_to_not_be_null", "quotes", "variant", CheckStatus.FAILED,
                    0.18035, 0.005, 7_214, 40_000, "missing_variant"),
        CheckResult("hires", "expect_column_max_to_be_between", "hires", "hired_at", CheckStatus.FAILED,
                    "2026-11-01T22:10:00", "2026-11-04T12:00:00", None, 4_410, "stale_source"),
        CheckResult("spam_flags", "expect_table_row_count_to_be_between", "spam_flags", None,
                    CheckStatus.ERROR, None, None, None, None, "not_evaluated",
                    message="relation spam_flags was not built"),
        CheckResult("requests", "expect_column_values_to_not_be_null", "requests", "request_id",
                    CheckStatus.PASSED, 0.0, 0.0, 0, 40_000, "missing_values"),
    )  # fmt: skip
    return link_checks(checks, gaps)


def the_sources():
    return (
        SourceFacts(
            "requests", SourceStatus.OK, 40_210, 210, 0, 0, 0, 0, 40_000, AS_OF - timedelta(minutes=4)
        ),
        SourceFacts(
            "quotes", SourceStatus.OK, 126_431, 0, 3, 812, 17, 0, 125_599, AS_OF - timedelta(hours=1)
        ),
        SourceFacts(
            "hires", SourceStatus.OK, 4_410, 0, 0, 12, 0, 6, 4_392, AS_OF - timedelta(days=4), late=True
        ),
        SourceFacts("spam_flags", SourceStatus.MISSING, note="spam_flags.parquet does not exist."),
        SourceFacts("dashboards", SourceStatus.UNMAPPED, note="Dashboard figures are not compared."),
    )


def the_joins():
    """One experiment whose unit most requests carry; 59 requests stay without an arm."""
    by_source = {"assignment": 37_580, "exposure_log": 2_361, "tie": 4, "undeclared_arm": 0, "none": 55}
    return (UnitJoins(EXPERIMENT, "customer", 40_000, 39_200, 37_584, by_source),)


SKEW = Skew(Played(0.0033, -0.002, 0.0086, Outcome.PASSED), Played(0.0061, 0.0008, 0.0114, Outcome.PASSED))


def a_rule(metric=HIRES, kind=RuleKind.CRITERION):
    return Rule(metric, kind, (Condition(Quantity.ESTIMATE, Side.LOWER, -0.005),))


def a_row(**fields):
    defaults = {
        "rule": a_rule(), "variant": ARM, "effect": "absolute", "best": End(0.0229, 0.0282, Outcome.PASSED),
        "base": Played(0.005, -0.001, 0.011, Outcome.PASSED), "worst": End(-0.0135, -0.0189, Outcome.FAILED),
        "is_open": True, "unlabelled": 2_400, "skew": SKEW,
    }  # fmt: skip
    return ScenarioRow(**(defaults | fields))


def a_closed_row(**fields):
    base = Played(-0.179, -0.204, -0.153, Outcome.PASSED)
    closed = {
        "best": End(-0.179, -0.204, Outcome.PASSED),
        "base": base,
        "worst": End(-0.179, -0.153, Outcome.PASSED),
    }
    return a_row(
        rule=a_rule(TTFQ), effect="relative", is_open=False, unlabelled=0, skew=None, **(closed | fields)
    )


def a_stand_in(**fields):
    defaults = {
        "name": "3-day hires", "metric": HIRES, "variant": ARM, "effect": "absolute", "value": 0.0044,
        "lower": -0.001, "upper": 0.0098, "applies_to": (the_gaps()[0].gap_id,), "because": "hires are late",
        "assumption": "Later hires come as they did before",
    }  # fmt: skip
    return Contingency(**(defaults | fields))


def the_scenarios():
    """One rule that the gaps leave open, one that they do not, and a stand-in."""
    return (ExperimentScenarios(EXPERIMENT, (a_closed_row(), a_row()), (a_stand_in(),)),)


def the_report(**fields):
    gaps = the_gaps()
    defaults = {
        "run_id": "20261106T061241-3fa9c1", "as_of": AS_OF, "evaluated_at": AS_OF + timedelta(hours=6),
        "gaps": gaps, "checks": the_checks(gaps), "coverage": Coverage(14, 13), "verdicts": (a_verdict(),),
        "dossiers": (a_dossier(),), "metrics": the_metrics(), "scenarios": the_scenarios(), "sources": the_sources(), "unit_joins": the_joins(),
        "experiments": (the_experiment(),),
        "briefs": (the_brief(),),
        "track_record": a_track_record(),
        "absent": ("No pre-period data, so arms were not compared before the start.",),
    }  # fmt: skip
    return RunReport(**(defaults | fields))


HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "| a | b |\n|--|--|",
    "`rm -rf` **bold** [link](javascript:alert(1)) <img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m \x07 \u202eevil\u200b [bold red]markup[/] \x00",
    "'\"><svg onload=alert(1)>{{ 7 * 7 }}{% raw %}",
    "x" * 5000,
    "https://evil.example/?q=1 www.evil.example @everyone",
    "surrogate \ud800 here",
)


def a_hostile_report():
    """Every text that may come from a warehouse or a configuration is an attack."""
    gaps = tuple(
        a_gap(
            "missing_values", severity, text, text, experiment=text, segment=text, description=text,
            severity_reason=text, mitigation=text, residual_risk=text, contingency=text, owner=text,
            by_variant={text: 0.2, "control": float("nan")}, share_affected=float("nan"), share_residual=None,
            metrics=(replace(an_impact(), metric=text, variant=text, reason=text, lower=float("-inf")),),
        )
        for text, severity in zip(HOSTILE, list(Severity) * 2, strict=False)
    )  # fmt: skip
    verdicts = tuple(
        a_verdict(
            experiment=text, segments=[text], stage=10, reasons=[text, text], waivers=[],
            blocked_by=[gap.gap_id],
            criteria=[a_criterion(text, "criterion", "failed", (0.1, None, None, None, 0.2), variant=text)],
        )
        for text, gap in zip(HOSTILE, gaps, strict=False)
    )  # fmt: skip
    checks = tuple(
        CheckResult(text, text, text, text, CheckStatus.ERROR, text, text, None, None, text, message=text)
        for text in HOSTILE
    )
    sources = tuple(SourceFacts(text, SourceStatus.UNREADABLE, note=text) for text in HOSTILE)
    joins = tuple(UnitJoins(text, text, 1, 0, 0, {"none": 1}) for text in HOSTILE)
    levels = tuple(LevelRow(text, text, text, 0, float("nan"), text) for text in HOSTILE)
    effects = tuple(
        EffectRow(text, text, text, EffectKind.RELATIVE, float("inf"), reason=text) for text in HOSTILE
    )
    scenarios = tuple(
        ExperimentScenarios(
            text,
            (a_row(rule=a_rule(text), variant=text, worst=End(None, None, Outcome.MISSING, text)),),
            (a_stand_in(name=text, metric=text, variant=text, because=text, assumption=text, applies_to=(text,)),),
        )
        for text in HOSTILE
    )  # fmt: skip
    return the_report(
        dossiers=tuple(a_dossier(text, text, text) for text in HOSTILE), scenarios=scenarios, run_id=HOSTILE[0], gaps=gaps, checks=link_checks(checks, gaps), verdicts=verdicts, sources=sources,
        unit_joins=joins,
        metrics=MetricTables(levels, effects), briefs=(), experiments=(), absent=HOSTILE, track_record=a_track_record(HOSTILE[0]),
    )  # fmt: skip


def a_dossier(text="quoting_v2", arm="treatment", metric="hire_rate_7d"):
    """What stands beside a verdict, every section with something in it; ``text`` is whatever somebody wrote."""
    amount = {
        "expected": 12_000.0,
        "ci_lower": -3_000.0,
        "ci_upper": 27_000.0,
        "lower": None,
        "upper": 30_000.0,
        "reason": None,
    }
    figure = {
        "estimate": 0.004,
        "ci_lower": -0.001,
        "ci_upper": 0.009,
        "lower": -0.02,
        "upper": 0.02,
        "n": 4_000,
        "reason": None,
    }
    return {
        "experiment": text,
        "brief": {"version": "a" * 64, "sentences": [f"Version aaaaaaaaaaaa is signed by {text} on 2026-11-01."]},
        "readiness": {
            "launch_date": "2026-12-15T00:00:00Z", "coverage": 0.75, "coverage_required": 0.8, "monitored_fields": 9, "critical_fields": 12,
            "is_ready": False, "reasons": [f"There was no dry run, says {text}."], "notes": [],
        },
        "power": [{
            "metric": metric, "variant": arm, "kind": "criterion", "effect": "absolute", "minimum_detectable": 0.0115,
            "needed_sample": {"n_treatment": 53_200, "n_control": 53_300}, "reading": "not_enough_data", "sentence": f"Not enough data for {text}.",
        }],
        "value": {
            "currency": text[:3], "horizon_days": 28.0, "per_day": {metric: 1_000_000.0}, "incident_cost": 500_000.0, "incident_probability": 0.1,
            "infrastructure_per_day": 100.0,
            "treatments": [{
                "variant": arm, "sentence": f"GO is worth most for {text}.", "best": "go",
                "options": [
                    {"option": name, "share": 1.0, "incident": 1.0, "infrastructure": 0.0, "total": amount, "regret": None}
                    for name in ("go", "partial", "hold")
                ],
            }],
        },
        "tradeoff": [{
            "experiment": text, "treatment": arm, "speed_metric": "ttfq_median", "hire_metric": metric, "speed_effect": "relative",
            "hire_effect": "absolute", "interference": {"sentence": f"Pros serve both arms: {text}."},
            "points": [{"segment": None, "speed": figure, "hire": figure}, {"segment": f"category={text}", "speed": None, "hire": figure}],
        }],
        "rollout": {
            "stages": [{"percent": 1, "dwell_seconds": 86_400.0}, {"percent": 10, "dwell_seconds": 259_200.0}],
            "starts": [{"percent": 1, "at": "2026-11-02T08:00:00Z", "by": text}],
            "rollbacks": [{"at": "2026-11-03T08:00:00Z", "reason": f"hires fell, {text}"}],
            "rollback": [{"metric": metric, "trigger": None, "reason": f"too few units for {text}"}],
            "monitored": [
                {"metric": metric, "variant": arm, "state": "crossed", "crossed_on": "2026-11-03", "safe_on": None, "reason": None, "looks": [1, 2]}
            ],
        },
        "changes": [{"kind": "gap", "what": ["gap-000000000001"], "verdict": "GO", "sentence": f"If {text} is repaired, the verdict would be GO."}],
        "unjudged_harm": None,
        "unready": [],
    }  # fmt: skip


def an_empty_report():
    """A run that could look at nothing."""
    return the_report(
        gaps=(), checks=(), coverage=Coverage(0, 0), verdicts=(), metrics=MetricTables(), scenarios=(), sources=(), unit_joins=(),
        dossiers=(), briefs=(), experiments=(), absent=(),
    )  # fmt: skip
