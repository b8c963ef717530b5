"""The trend of gaps as a drawing: what is not known is not drawn, and nothing in it comes from outside as markup."""

import base64
import itertools
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from dagster_pipeline.report.trend_plot import HEIGHT, WIDTH, Line, svg_data_uri, trend_plot

DAY = datetime(2026, 10, 1, tzinfo=UTC)
NAN = float("nan")


def line(*shares, name="Missing values in quotes.price", severity="high"):
    return Line(name, severity, tuple((DAY + timedelta(days=i), share) for i, share in enumerate(shares)))


def drawn(*lines):
    svg = trend_plot(lines)
    root = ElementTree.fromstring(svg)  # noqa: S314 (our own)
    return [[tuple(map(float, p.split(","))) for p in e.get("points").split()] for e in root.iter() if e.tag.endswith("polyline")]  # fmt: skip


@pytest.mark.parametrize("lines", [(), (line(0.1),), (line(None, None),), (line(NAN, None, NAN),)])
def test_without_two_moments_and_a_share_there_is_nothing_to_draw(lines):
    assert trend_plot(lines) is None


def test_a_larger_share_is_higher_and_a_later_day_further_right():
    [points] = drawn(line(0.0, 0.1, 0.4))
    xs, ys = zip(*points, strict=True)
    assert list(xs) == sorted(set(xs))
    assert ys[0] > ys[1] > ys[2]
    assert ys[0] - ys[1] == pytest.approx((ys[0] - ys[2]) / 4, abs=0.2)


def test_everything_stays_inside_the_picture_also_where_all_shares_are_zero():
    for lines in ([line(0.0, 0.0)], [line(1.0, 0.5), line(0.01, None, 0.9)]):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for points in drawn(*lines) for x, y in points)


@pytest.mark.parametrize("unknown", [None, NAN, float("inf")])
def test_an_unknown_share_breaks_the_line(unknown):
    assert [len(points) for points in drawn(line(0.1, 0.2, unknown, 0.3))] == [2, 1]


def test_a_name_from_the_warehouse_is_text():
    svg = trend_plot([line(0.1, 0.2, name="</title><script>alert(1)</script>\x00\u202e" + "x" * 500)])
    ElementTree.fromstring(svg)  # noqa: S314 (our own)
    assert "<script" not in svg
    assert not re.search("[\x00\u202e]", svg)
    assert len(svg) < 5_000


def test_the_address_holds_the_whole_drawing():
    svg = trend_plot([line(0.1, 0.2)])
    kind, _, data = svg_data_uri(svg).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == svg


def test_lines_are_numbered_by_their_place():
    first, second = line(0.1, 0.2, name="a"), line(0.2, 0.1, name="b")
    assert [one.number((first, second)) for one in (first, second)] == [1, 2]


def test_numbers_of_lines_that_end_together_do_not_cover_each_other():
    lines = [line(0.5, share, name=str(share)) for share in (0.3, 0.301, 0.302, 0.303)]
    root = ElementTree.fromstring(trend_plot(lines))  # noqa: S314 (our own)
    labels = [e for e in root.iter() if e.tag.endswith("text") and e.text in ("1", "2", "3", "4")]
    heights = sorted(float(e.get("y")) for e in labels)
    assert len(heights) == 4
    assert all(later - earlier >= 11 for earlier, later in itertools.pairwise(heights))
