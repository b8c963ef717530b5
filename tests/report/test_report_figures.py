"""Figures are written for people: three digits, a unit, a sign, and never a lie by rounding."""

import math
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.format import Unit

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@pytest.mark.parametrize(
    ("written", "figure"),
    [
        (fmt.share(0.18035), "18.0%"),
        (fmt.share(0.000417), "0.04%"),
        (fmt.share(0.0000001), "<0.01%"),
        (fmt.share(0.9996), "99.96%"),
        (fmt.share(0.999999), ">99.99%"),
        (fmt.share(1.0), "100%"),
        (fmt.share(0.0), "0%"),
        (fmt.share(None), "–"),
        (fmt.effect(-0.179, "relative", Unit.SECONDS), "−17.9%"),
        (fmt.effect(0.0042, "absolute", Unit.SHARE), "+0.42 pp"),
        (fmt.effect(-192.0, "absolute", Unit.SECONDS), "−3.20 min"),
        (fmt.effect(0.6737, "absolute", Unit.NUMBER), "+0.674"),
        (fmt.effect(0.00000001, "absolute", Unit.SHARE), "+<0.01 pp"),
        (fmt.difference(0.021, "relative", Unit.SECONDS), "+2.10 pp"),
        (fmt.level(1212.4, Unit.SECONDS), "20.2 min"),
        (fmt.level(9121.0, Unit.SECONDS), "2.53 h"),
        (fmt.level(0.12003, Unit.SHARE), "12.0%"),
        (fmt.number(0.0123456), "0.0123"),
        (fmt.number(9.999), "10.0"),
        (fmt.number(1234567.8), "1,234,568"),
        (fmt.count(126431), "126,431"),
        (fmt.tidy("10.0%"), "10%"),
        (fmt.tidy("−0.50 pp"), "−0.5 pp"),
        (fmt.tidy("100%"), "100%"),
        (fmt.between("−1.98 pp", "+1.10 pp"), "−1.98 to +1.10 pp"),
        (fmt.between("45.0 s", "2.00 min"), "45.0 s to 2.00 min"),
        (fmt.between("–", "+3.00%"), "at most +3.00%"),
        (fmt.between("+3.00%", "–"), "at least +3.00%"),
        (fmt.headroom(0.71), "71.0% of the worst case"),
        (fmt.headroom(1.72), "1.72 × the worst case"),
        (fmt.headroom(-0.2), "already changes it"),
        (fmt.headroom(None), "cannot change it"),
    ],
)
def test_a_figure_is_written_as_a_person_would(written, figure):
    assert written == figure


@given(finite, st.sampled_from(["absolute", "relative"]), st.sampled_from(list(Unit)))
def test_no_figure_has_more_than_three_digits_after_its_point_or_the_wrong_sign(value, kind, unit):
    written = fmt.effect(value, kind, unit)
    digits = re.search(r"\.(\d+)", written)
    leading = re.search(r"\.(0*)", written)
    assert digits is None or len(digits.group(1)) - len(leading.group(1)) <= 3
    assert "e" not in written.replace("h", "")
    assert (
        written == "0" or written.startswith("0 ") or written[0] == ("−" if value < 0 else "+") or value == 0
    )


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_share_between_nothing_and_all_is_shown_as_neither(value):
    assert fmt.share(value) not in ("0%", "100%", "0.00%", "100.00%")
    shown = float(fmt.share(value).strip("<>%")) / 100
    assert math.isclose(shown, value, abs_tol=0.0006)


def test_a_metric_of_ones_own_is_in_units_of_ones_own_unless_it_is_a_share():
    own = partial(
        MetricDefinition, "m", better="lower", effect="relative", y="y", label="M", needs=(), is_own=True
    )
    assert fmt.unit_of(own(kind="quantile", quantile=0.95)) is Unit.NUMBER
    assert fmt.unit_of(own(kind="ratio", d="d")) is Unit.NUMBER
    assert fmt.unit_of(own(kind="share")) is Unit.SHARE


def test_every_metric_of_the_catalogue_has_its_unit():
    units = {name: fmt.unit_of(definition) for name, definition in metric_definitions().items()}
    assert units["ttfq_p90"] is Unit.SECONDS
    assert units["hire_rate_7d"] is units["refund_rate"] is Unit.SHARE
    assert units["spam_flags_per_1000_quotes"] is units["gmv_per_request"] is Unit.NUMBER
