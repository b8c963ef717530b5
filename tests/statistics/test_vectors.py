"""Worked figures, published or computed elsewhere: each must come out within its tolerance."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dealt_worlds import cells_of, evidence_of, moments_of

from dagster_pipeline.criteria.delta_star import flip
from dagster_pipeline.criteria.evaluate import base_outcome, joint_outcome
from dagster_pipeline.criteria.rules import Condition, Quantity, Rule, RuleKind, Side
from dagster_pipeline.criteria.severity import Stakes, severity
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics import intervals
from dagster_pipeline.statistics.bounds import (
    censoring,
    conflicts,
    contamination,
    dilution,
    duplicates,
    joint,
    label,
    lost_units,
    orphans,
    outcome,
    sampling,
    shift,
)
from dagster_pipeline.statistics.bounds.dealing_quantile import missing_outcome_quantile
from dagster_pipeline.statistics.bounds.pair import Bounds
from dagster_pipeline.statistics.cuped import cuped
from dagster_pipeline.statistics.differential import differential
from dagster_pipeline.statistics.drift import ks_two_sample, psi, psi_critical
from dagster_pipeline.statistics.evidence import (
    Better,
    EffectKind,
    Estimate,
    Metric,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.imbens_manski import critical_value, imbens_manski
from dagster_pipeline.statistics.quantiles import Steps, quantile
from dagster_pipeline.statistics.regions import label_region
from dagster_pipeline.statistics.sampling_error import filled_mean_variance, share_variance
from dagster_pipeline.statistics.srm import min_detectable_loss, srm, srm_sequential
from dagster_pipeline.statistics.survival import kaplan_meier

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
DIGEST = "37e33da7e5e85c7fa45c3d1e0185606a136d8472a519b7ac2acb9b864cd50c8d"  # of the file, keys sorted
MEDIAN = Metric("y", MetricKind.QUANTILE, Better.LOWER, EffectKind.ABSOLUTE, quantile=0.5)


class Policy:
    """The default policy of a brief."""

    blocker_at, high_at, medium_at = 0.25, 1.0, 2.0


def _ends(found: Any) -> dict[str, float]:
    return {"lo": found.lower, "hi": found.upper}


def _counts(i: dict[str, Any]) -> label.LabelCounts:
    return label.LabelCounts(i["n_T"], i["s_T"], i["n_C"], i["s_C"], i["s_M"], i["m"] - i["s_M"])


def _interval_of_two_shares(
    method: Callable[..., intervals.Interval],
) -> Callable[[dict[str, Any]], dict[str, float]]:
    return lambda i: _ends(method(i["k1"], i["n1"], i["k2"], i["n2"], i["conf"]))


def _srm(i: dict[str, Any]) -> dict[str, float]:
    arms = [f"arm{n}" for n in range(len(i["obs"]))]
    found = srm(dict(zip(arms, i["obs"], strict=True)), dict(zip(arms, i["weights"], strict=True)))
    return {"chi2": found.chi2, "p": found.p, "df": found.df}


def _median_difference(i: dict[str, Any]) -> dict[str, float]:
    found, error = intervals.median_difference(i["y1"], i["y2"], i["conf"])
    return {**_ends(found), "se": error, "diff": float(np.median(i["y1"]) - np.median(i["y2"]))}


def _median_ratio(i: dict[str, Any]) -> dict[str, float]:
    found = intervals.median_ratio(i["y1"], i["y2"], i["conf"])
    return {**_ends(found), "ratio": float(np.median(i["y1"]) / np.median(i["y2"]))}


def _hm_mean(i: dict[str, Any]) -> dict[str, float]:
    arms = (outcome.ObservedMean(i[f"p{arm}"], i[f"m{arm}"]) for arm in "TC")
    return _ends(outcome.mean_bounds(*arms, Bounds(i["y_lo"], i["y_hi"])))


def _hm_width(i: dict[str, Any]) -> dict[str, float]:
    arms = (outcome.ObservedMean(i[f"rate_{arm}"], 0.0) for arm in "TC")
    return {"width": outcome.mean_bounds(*arms, Bounds(i["y_lo"], i["y_hi"])).width}


def _hm_with_sampling_error(i: dict[str, Any]) -> dict[str, float]:
    support = Bounds(i["y_lo"], i["y_hi"])
    arms = [outcome.ObservedMean(i[f"r_{arm}"] / i[f"N_{arm}"], i[f"mean_{arm}"]) for arm in "TC"]
    bounds = outcome.mean_bounds(*arms, support)

    def variance(arm: str, fill: float) -> float:
        return filled_mean_variance(i[f"N_{arm}"], i[f"r_{arm}"], i[f"mean_{arm}"], i[f"sd_{arm}"], fill)

    sigma_lower = math.sqrt(variance("T", support.lower) + variance("C", support.upper))
    sigma_upper = math.sqrt(variance("T", support.upper) + variance("C", support.lower))
    found = imbens_manski(bounds.lower, bounds.upper, sigma_lower, sigma_upper, i["conf"])
    z = intervals.two_sided_z(i["conf"])
    return {
        "ci_lo": found.lower,
        "ci_hi": found.upper,
        "gate_one_sided_lo": bounds.lower - z * sigma_lower,
        "c": (bounds.lower - found.lower) / sigma_lower,
    }


def _lee_trimmed(i: dict[str, Any]) -> dict[str, float]:
    bounds = outcome.lee_from_trimmed_means(
        i["trim_mean_bottom_kept"],
        i["trim_mean_top_kept"],
        i["mean_C"],
        treatment_trimmed=i["rate_T"] > i["rate_C"],
    )
    return {**_ends(bounds), "p": outcome.lee_trim(i["rate_T"], i["rate_C"])}


def _double_sampling(i: dict[str, Any]) -> dict[str, float]:
    arms = (
        outcome.DoubleSample(a["r1"] / a["N"], a["mean1"], a["r2"] / a["n_attempt"], a["mean2"])
        for a in (i["T"], i["C"])
    )
    return _ends(outcome.double_sampling(*arms, Bounds(i["y_lo"], i["y_hi"])))


def _dial(i: dict[str, Any]) -> dict[str, float]:
    worst, at = Bounds(i["lo_worst"], i["hi_worst"]), Bounds(i["lo_delta"], i["hi_delta"])
    points = outcome.missing_at_random_point(worst, at, i["delta"])
    again = outcome.ignorability(worst, points.lower, i["delta"])
    assert again.lower == pytest.approx(at.lower)
    assert points.lower == pytest.approx(points.upper, abs=6e-4)
    return {"mar_point": points.lower}


def _imbens_manski(i: dict[str, Any]) -> dict[str, float]:
    return _ends(imbens_manski(i["L"], i["U"], i["sL"], i["sU"], i["conf"]))


def _critical(i: dict[str, Any]) -> dict[str, float]:
    return {
        "c90": critical_value(i["width_over_sigma"], 0.90),
        "c95": critical_value(i["width_over_sigma"], 0.95),
    }


def _kaplan_meier(i: dict[str, Any]) -> dict[str, float]:
    found = kaplan_meier(np.array(i["t"], float), np.array(i["event"], float), np.ones(len(i["t"])), i["at"])
    return {"S": found.survival, "se": found.error}


def _grain(i: dict[str, Any]) -> dict[str, float]:
    events = cells_of(MEDIAN, [value for _, value in i["rows"]])
    sums: dict[int, int] = {}
    for unit, value in i["rows"]:
        sums[unit] = sums.get(unit, 0) + value
    units = cells_of(MEDIAN, list(sums.values()))
    return {"event": quantile(events, i["q"])[0], "per_unit": quantile(units, i["q"])[0]}


def _skew(i: dict[str, Any]) -> dict[str, float]:
    found = label.scenarios(_counts(i))
    return {"all_T": found.all_treatment, "all_C": found.all_control, "drop": found.dropped}


def _split_ci(i: dict[str, Any]) -> dict[str, float]:
    counts, k = _counts(i), i["N_T"] - i["n_T"]
    bounds = label.known_split(counts, k)
    t_low, c_low = (
        (i["s_T"] + max(0, k - counts.m0)) / i["N_T"],
        (i["s_C"] + counts.m1 - max(0, k - counts.m0)) / i["N_C"],
    )
    t_high, c_high = (
        (i["s_T"] + min(k, counts.m1)) / i["N_T"],
        (i["s_C"] + counts.m1 - min(k, counts.m1)) / i["N_C"],
    )
    s_lo = math.sqrt(share_variance(t_low, i["N_T"]) + share_variance(c_low, i["N_C"]))
    s_hi = math.sqrt(share_variance(t_high, i["N_T"]) + share_variance(c_high, i["N_C"]))
    region = label_region(
        _share_evidence(i), "treatment", 0.90, known={"treatment": i["N_T"], "control": i["N_C"]}
    )
    assert (region.lower, region.upper) == pytest.approx((bounds.lower, bounds.upper))
    found = imbens_manski(bounds.lower, bounds.upper, s_lo, s_hi, 0.90)
    return {
        "s_lo": s_lo,
        "s_hi": s_hi,
        "c": (bounds.lower - found.lower) / s_lo,
        "im_lo": found.lower,
        "im_hi": found.upper,
        "gate_lo": region.gate_lower,
    }


def _share_evidence(i: dict[str, Any]):
    from dagster_pipeline.statistics.evidence import ArmEvidence, Cells, MetricEvidence

    def arm(n: int, s: int) -> ArmEvidence:
        cells = Cells(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2), np.array([n - s, s]))
        return ArmEvidence(Moments(n, n, s, n, s, n, s), cells)

    metric = Metric("hired", MetricKind.SHARE, Better.HIGHER, EffectKind.ABSOLUTE)
    arms = {"treatment": arm(i["n_T"], i["s_T"]), "control": arm(i["n_C"], i["s_C"])}
    split = {"treatment": 0.5, "control": 0.5}
    return MetricEvidence(metric, "control", split, arms, arm(i["m"], i["s_M"]))


def _known_split(i: dict[str, Any]) -> dict[str, float]:
    found = label.known_split(_counts(i), i["N_T"] - i["n_T"])
    region = label_region(_share_evidence(i), "treatment", 0.90, known={"treatment": i["N_T"]})
    assert (region.lower, region.upper) == pytest.approx((found.lower, found.upper))
    return _ends(found)


def _stratified(i: dict[str, Any]) -> dict[str, float]:
    strata = [(_counts(g), g["N_T"] - g["n_T"]) for g in i["strata"]]
    post = label.post_stratified(strata)
    pooled_counts = _counts({key: sum(g[key] for g in i["strata"]) for key in i["strata"][0]})
    pooled = label.known_split(pooled_counts, sum(k for _, k in strata))
    sharper = label.stratified(strata)
    assert pooled.lower <= sharper.lower <= sharper.upper <= pooled.upper
    return {**_ends(post), "pooled_lo": pooled.lower, "pooled_hi": pooled.upper}


def _label_quantile(i: dict[str, Any]) -> dict[str, float]:
    evidence = evidence_of(MEDIAN, i["y_T"], i["y_C"], i["y_M"])
    sizes = [i["k_T"]] if "k_T" in i else range(len(i["y_M"]) + 1)
    regions = [
        label_region(evidence, "treatment", 0.9, known={"treatment": len(i["y_T"]) + k}) for k in sizes
    ]
    return {"lo": min(found.lower for found in regions), "hi": max(found.upper for found in regions)}


def _missing_quantile(i: dict[str, Any]) -> dict[str, float]:
    steps = Steps.of(np.array(i["y_obs"], float), np.ones(len(i["y_obs"]), np.int64))
    return dict(zip(("lo", "hi"), missing_outcome_quantile(steps, i["N"], i["q"]), strict=True))


def _observed(i: dict[str, Any], arm: str) -> outcome.ObservedShare:
    return outcome.ObservedShare(i[f"N_{arm}"], i[f"r_{arm}"], i[f"s_{arm}"])


def _lee_binary(i: dict[str, Any]) -> dict[str, float]:
    arms = _observed(i, "T"), _observed(i, "C")
    rates = [arm.observed / arm.n for arm in arms]
    return {**_ends(outcome.lee_share(*arms)), "trim": outcome.lee_trim(*rates)}


def _srm_loss(i: dict[str, Any]) -> dict[str, float]:
    arms = [
        outcome.ObservedShare(i[f"n_{arm}"], i[f"n_{arm}"], i[f"p_{arm}"] * i[f"n_{arm}"]) for arm in "TC"
    ]
    found = lost_units.loss_from_treatment(arms[0], arms[1], i["pi"])
    return {
        **_ends(found.region), "m_T": found.lost, "lee_trim": found.lee_trim,
        "lee_lo": found.lee.lower, "lee_hi": found.lee.upper,
    }  # fmt: skip


def _duplicates_count(i: dict[str, Any]) -> dict[str, float]:
    bias, true = duplicates.count_bias(i["mu_T"], i["mu_C"], i["dup_T"], i["dup_C"]), i["mu_T"] - i["mu_C"]
    return {"bias": bias, "delta_true": true, "delta_obs": true + bias}


def _duplicates_rate(i: dict[str, Any]) -> dict[str, float]:
    found = duplicates.duplicated_share(i["p"], i["dup_success"], i["dup_failure"])
    return {"p_obs": found.observed, "bias": found.bias, "ess_ratio": found.effective_size_ratio}


def _orphans_count(i: dict[str, Any]) -> dict[str, float]:
    arms = [orphans.CountedArm(i[f"N_{arm}"], i[f"Q_{arm}"]) for arm in "TC"]
    naive = orphans.count_bounds(arms[0], arms[1], 0)
    return {**_ends(orphans.count_bounds(arms[0], arms[1], i["orphans"])), "naive": naive.lower}


def _orphans_binary(i: dict[str, Any]) -> dict[str, float]:
    arms = [orphans.CountedArm(i[f"N_{arm}"], i[f"s_{arm}"]) for arm in "TC"]
    naive = orphans.at_least_one_bounds(arms[0], arms[1], 0)
    return {**_ends(orphans.at_least_one_bounds(arms[0], arms[1], i["orphan_parents"])), "naive": naive.lower}


def _crossover(i: dict[str, Any]) -> dict[str, float]:
    factor = dilution.crossover_factor(i["x_T"], i["x_C"])
    return {"factor": factor, "itt": i["cate"] * factor}


def _misclassified(i: dict[str, Any]) -> dict[str, float]:
    delta = i["p_T"] - i["p_C"]
    return {
        "delta": delta,
        "delta_obs": delta * dilution.label_flip_factor(i["frac_C_in_obsT"], i["frac_T_in_obsC"]),
    }


def _exponential(mean: float) -> Callable[[float], float]:
    return lambda y: 1 - math.exp(-y / mean) if y > 0 else 0.0


def _shift_share(i: dict[str, Any]) -> dict[str, float]:
    true = _exponential(i["mean_exp"])
    observed = shift.shifted(true, i["shift"], i["share"])
    window = i["window"]
    return {"p30": true(window), "p30_obs": observed(window), "bias": observed(window) - true(window)}


def _shift_median(i: dict[str, Any]) -> dict[str, float]:
    true = _exponential(i["mean_exp"])
    observed = shift.shifted(true, i["shift"], i["share"])
    medians = (shift.quantile_of(distribution, 0.5, 0.0, 1e6) for distribution in (true, observed))
    return dict(zip(("median", "median_obs"), medians, strict=True))


def _sampled_first(i: dict[str, Any]) -> dict[str, float]:
    events, keep, mean = i["poisson_quotes_24h"], i["keep"], i["rate_mean_min"]
    return {
        "p_any": sampling.poisson_any(events),
        "p_any_obs": sampling.poisson_any(events * keep),
        "median_ttfq": sampling.exponential_median_of_first(mean, 1.0),
        "median_ttfq_obs": sampling.exponential_median_of_first(mean, keep),
    }


def _weights(i: dict[str, Any]) -> dict[str, float]:
    found = sampling.inverse_probability(np.array(i["y"]), np.array(i["p"]))
    return {
        "ht_total": found.total,
        "hajek_mean": found.mean,
        "kish_ess": found.effective_size,
        "ht_var_poisson": found.total_variance,
        "unweighted_mean": float(np.mean(i["y"])),
    }


def _censoring(i: dict[str, Any]) -> dict[str, float]:
    curves = [(lambda y, p=i[f"p_{arm}"]: p * _exponential(i["tau"])(y)) for arm in "TC"]
    bias = censoring.censoring_bias(curves[0], curves[1], i["ages_T"], i["ages_C"], 7.0)
    return {"bias": bias, "delta_true": curves[0](7.0) - curves[1](7.0)}


def _combined(i: dict[str, Any]) -> dict[str, float]:
    t, c, m = (joint.Outcomes(i[f"{arm}1"], i[f"{arm}0"], i[f"{arm}q"]) for arm in "TCM")
    return _ends(joint.joint_share(t, c, m, i["N_T"] - t.n))


def _conflict(i: dict[str, Any]) -> dict[str, float]:
    arms = [
        conflicts.TwoReadings(i[f"N_{a}"], i[f"both1_{a}"], i[f"onlyA_{a}"], i[f"onlyB_{a}"]) for a in "TC"
    ]
    region = conflicts.conflict_bounds(*arms)
    scenario = conflicts.conflict_scenarios(*arms)
    assert region.lower <= scenario.lower <= scenario.upper <= region.upper
    a, b = (conflicts.reading(*arms, source_a=is_a) for is_a in (True, False))
    return {**_ends(region), "delta_A": a, "delta_B": b}


def _differential(i: dict[str, Any]) -> dict[str, float]:
    found = differential({str(n): (bad, good + bad) for n, (good, bad) in enumerate(i["table"])})
    assert found.differential
    return {"chi2": found.chi2, "p": found.p}


def _ks(i: dict[str, Any]) -> dict[str, float]:
    found = ks_two_sample(np.array(i["x"], float), np.array(i["y"], float))
    return {"D": found.statistic, "p": found.p}


def _ratio(i: dict[str, Any]) -> dict[str, float]:
    metric = Metric("r", MetricKind.RATIO, Better.LOWER, EffectKind.ABSOLUTE)
    found = intervals.ratio_of_sums(moments_of(metric, list(zip(i["num"], i["den"], strict=True))))
    return {"ratio": found.value, "se": math.sqrt(found.variance)}


def _cuped(i: dict[str, Any]) -> dict[str, float]:
    metric = Metric("r", MetricKind.RATIO, Better.LOWER, EffectKind.ABSOLUTE)
    found = cuped(moments_of(metric, list(zip(i["y"], i["x"], strict=True))))
    return {"theta": found.theta, "var_ratio": found.variance_ratio}


def _blind_spot(i: dict[str, Any]) -> dict[str, float]:
    found = min_detectable_loss(i["N"], i["alpha"], i["power"], i["pi"])
    return {"share_dev": found.share_deviation, "one_arm_loss": found.one_arm_loss}


def _break_even(i: dict[str, Any]) -> dict[str, float]:
    """The share of missing outcomes at which the gate limit reaches the threshold, by bisection."""
    z, n = intervals.two_sided_z(i["conf"]), i["N_arm"]

    def limit(share: float) -> float:
        low = i["p_T"] * (1 - share)
        high = outcome.filled_mean(outcome.ObservedMean(1 - share, i["p_C"]), Bounds(0, 1)).upper
        return low - high - z * math.sqrt(share_variance(low, n) + share_variance(high, n))

    low, high = 0.0, 0.1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if limit(middle) > i["tau"] else (low, middle)
    return {"share": low}


def _tipping(i: dict[str, Any]) -> dict[str, Any]:
    gate_mar = i["mar"] - i["z"] * i["se_mar"]
    gate_worst = i["worst"] - i["z"] * i["se_worst"]
    rule = Rule("hire", RuleKind.CRITERION, (Condition(Quantity.LIMIT, Side.LOWER, i["threshold"]),))
    estimate = Estimate(i["mar"], ci_lower=gate_mar)
    region = Region(i["worst"], 1.0, gate_worst, 1.0)
    found = flip(rule, estimate, region)
    return {
        "gate_mar": gate_mar,
        "gate_worst": gate_worst,
        "delta_star": found.share,
        "severity": severity(Stakes((found,), (found,), base_passes=True), Policy()).severity.value,
        "base": "GO" if base_outcome(rule, estimate) is Outcome.PASSED else "NOT_GO",
        "worst_decision": "GO" if joint_outcome(rule, region) is Outcome.PASSED else "NOT_GO",
    }


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "diff_prop_newcombe": _interval_of_two_shares(intervals.newcombe),
    "diff_prop_miettinen_nurminen": _interval_of_two_shares(intervals.miettinen_nurminen),
    "prop_wilson": lambda i: _ends(intervals.wilson(i["k"], i["n"], i["conf"])),
    "srm_chi2": _srm,
    "srm_sequential": lambda i: {"p": srm_sequential(i["rows"], i["p0"], i["dirichlet_concentration"])},
    "median_diff_price_bonett": _median_difference,
    "median_ratio_bonett_price": _median_ratio,
    "horowitz_manski_mean": _hm_mean,
    "horowitz_manski_width": _hm_width,
    "horowitz_manski_mean_im_ci": _hm_with_sampling_error,
    "lee_bounds_from_trimmed_means": _lee_trimmed,
    "imbens_manski_wide": _imbens_manski,
    "imbens_manski_critical": _critical,
    "double_sampling_bounds": _double_sampling,
    "delta_interpolation": _dial,
    "psi": lambda i: {"psi": psi(i["expected"], i["actual"])},
    "psi_null_critical": lambda i: {"crit": psi_critical(i["bins"], i["n_ref"], i["n_cur"], i["alpha"])},
    "kaplan_meier": _kaplan_meier,
    "quantile_grain": _grain,
    "label_missing_skew_scenarios": _skew,
    "label_missing_sharp_free": lambda i: _ends(label.nothing_known(_counts(i))),
    "label_missing_known_split_ci90": _split_ci,
    "label_missing_sharp_known_split": _known_split,
    "label_missing_stratified": _stratified,
    "label_missing_quantile_free": _label_quantile,
    "label_missing_quantile_known_split": _label_quantile,
    "missing_outcome_quantile": _missing_quantile,
    "horowitz_manski_binary": lambda i: _ends(outcome.share_bounds(_observed(i, "T"), _observed(i, "C"))),
    "lee_bounds_binary": _lee_binary,
    "srm_loss_bounds_binary": _srm_loss,
    "duplicates_count_bias": _duplicates_count,
    "duplicates_rate_bias": _duplicates_rate,
    "orphans_count_bounds": _orphans_count,
    "orphans_binary_bounds": _orphans_binary,
    "crossover_dilution": _crossover,
    "random_label_flip": _misclassified,
    "horowitz_manski_contamination": lambda i: _ends(contamination.contaminated_share(i["p"], i["lam"])),
    "timestamp_shift_share": _shift_share,
    "timestamp_shift_median": _shift_median,
    "sampled_logging_min_functional": _sampled_first,
    "ipw": _weights,
    "right_censoring_naive_bias": _censoring,
    "combined_label_and_outcome_missing": _combined,
    "conflicting_sources": _conflict,
    "differential_missing_chi2": _differential,
    "ks_2samp": _ks,
    "ratio_metric_delta": _ratio,
    "cuped": _cuped,
    "srm_min_detectable_loss": _blind_spot,
    "break_even_missing_share": _break_even,
    "tipping_delta": _tipping,
}


def _held(vector: dict[str, Any]) -> set[str]:
    """The figures of a vector that come out within its tolerance."""
    found = KINDS[vector["kind"]](vector["inputs"])
    return {
        name
        for name, value in vector["expected"].items()
        if found[name]
        == (value if isinstance(value, str) else pytest.approx(value, abs=vector["tolerance"], rel=0))
    }


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_worked_figure_comes_out(vector: dict[str, Any]) -> None:
    assert _held(vector) == set(vector["expected"])


def test_every_worked_figure_is_there_and_every_one_is_evaluated() -> None:
    held = {vector["id"]: _held(vector) for vector in VECTORS}
    assert len(held) == 74
    assert {vector["kind"] for vector in VECTORS} == set(KINDS)
    assert sum(map(len, held.values())) == sum(len(vector["expected"]) for vector in VECTORS) == 176
    assert all(held.values())


def test_the_worked_figures_are_those_agreed() -> None:
    """A figure is never bent to what the code gives: whoever changes one changes this digest, and says why."""
    text = json.dumps(VECTORS, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST
