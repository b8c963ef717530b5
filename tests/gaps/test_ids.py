"""A gap keeps its id from run to run, and two gaps never share one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from dagster_pipeline.gaps.ids import gap_id

names = st.none() | st.text(max_size=12)
places = st.tuples(st.text(min_size=1, max_size=12), names, names, names, names)


def test_an_id_written_down_today_is_the_id_of_every_later_version():
    assert gap_id("missing_variant", "quoting_v2", "quotes", "variant") == "gap-4d5477685b4f"


@given(places)
def test_an_id_is_short_and_safe_to_put_in_an_address(place):
    assert re.fullmatch(r"gap-[0-9a-f]{12}", gap_id(*place))
    assert gap_id(*place) == gap_id(*place)


@given(places, places)
def test_gaps_in_different_places_have_different_ids(one, other):
    assert (gap_id(*one) == gap_id(*other)) == (one == other)


def test_absent_is_not_the_same_as_empty_and_fields_do_not_run_together():
    assert gap_id("k", None) != gap_id("k", "")
    assert gap_id("k", None, "ab", "c") != gap_id("k", None, "a", "bc")
