"""``formats:`` is held to strptime's directives and to columns that hold a time, before anything is read."""

from __future__ import annotations

import pytest

from dagster_pipeline.config.formats import check_format, is_year_first
from dagster_pipeline.config.problems import Refusal

SOURCE = """\
version: 1
warehouse: {engine: duckdb, path: w.duckdb}
sources:
  requests:
    from: requests.csv
    columns: {request_id: id, created_at: made, category: kind}
    formats: %s
"""


def test_one_format_and_a_list_of_formats_are_kept_in_their_order(load):
    one = load(SOURCE % '{created_at: "%m-%d-%y"}')
    several = load(SOURCE % '{created_at: ["%m-%d-%y", "%d.%m.%Y %H:%M"]}')

    assert one.sources["requests"].formats == {"created_at": ("%m-%d-%y",)}
    assert several.sources["requests"].formats == {"created_at": ("%m-%d-%y", "%d.%m.%Y %H:%M")}


@pytest.mark.parametrize(
    "text",
    [
        "%m-%d-%y",
        "%-m/%-d/%Y",
        "%d %b %Y %I:%M %p",
        "%Y-%m-%dT%H:%M:%S.%f%z",
        "%j %Y",
        "%A, %B %d, %Y",
        "100%% %Y%m%d",
    ],
)
def test_a_format_that_gives_a_day_is_taken(text):
    assert check_format(text) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("%m-%d", "no full day"),
        ("%Y-%m", "no full day"),
        ("soon", "no full day"),
        ("%m-%d-%y %Q", "has '%Q'"),
        ("%m-%d-%y %", "has '%'"),
        ("%m-%d-%y %s", "has '%s'"),
        ("%m-%d-%y %-%", "has '%-%'"),
        ("%m-%d-%y %Y", "gives the year twice"),
        ("%m-%b-%y", "gives the month twice"),
        ("%m-%d-%y %H:%M %I", "gives the hour twice"),
        ("%m-%d-%y %M", "the minute without the hour"),
        ("%m-%d-%y %H:%S", "the second without the minute"),
        ("%m-%d-%y %I:%M", "%I and %p together"),
        ("%m-%d-%y %H:%M %p", "%I and %p together"),
    ],
)
def test_a_format_that_leaves_a_time_undecided_is_refused_with_what_is_allowed(text, fault):
    with pytest.raises(Refusal) as caught:
        check_format(text)

    assert fault in caught.value.requirement
    assert "allowed: %Y, %y, %m" in caught.value.requirement


@pytest.mark.parametrize(
    ("formats", "key", "words"),
    [
        ('{created_at: "%m-%d"}', "sources.requests.formats.created_at", "gives no full day"),
        ('{created_at: ["%m-%d-%y", "%x"]}', "sources.requests.formats.created_at[1]", "has '%x'"),
        ("{created_at: []}", "sources.requests.formats.created_at", "a format or a list of formats"),
        ("{created_at: 5}", "sources.requests.formats.created_at", "a format in quotes"),
        ('{created_at: ""}', "sources.requests.formats.created_at", "a format in quotes"),
        (
            '{category: "%m-%d-%y"}',
            "sources.requests.formats.category",
            "that holds a time; allowed: created_at",
        ),
        ('{create_at: "%m-%d-%y"}', "sources.requests.formats.create_at", "did you mean 'created_at'?"),
        ('"%m-%d-%y"', "sources.requests.formats", "must be a mapping"),
    ],
)
def test_a_wrong_declaration_is_refused_by_its_key_and_line(refused, formats, key, words):
    (line,) = refused(SOURCE % formats)

    assert "line 7" in line
    assert key in line
    assert words in line


def test_a_format_without_its_column_is_refused(refused):
    text = (
        SOURCE.replace("created_at: made, ", "created_at: made, session_id: s, ") % '{created_at: "%m-%d-%y"}'
    )
    quotes = '  quotes: {from: q.csv, columns: {quote_id: id}, formats: {quoted_at: "%m-%d-%y"}}\n'

    (line,) = refused(text + quotes)

    assert "sources.quotes.formats.quoted_at: has a format but no column" in line


def test_only_a_format_with_the_year_in_front_can_be_mistaken_for_iso():
    assert is_year_first("%Y-%d-%m")
    assert is_year_first(" %-Y%m%d")
    assert not is_year_first("%y-%m-%d")
    assert not is_year_first("%d-%m-%Y")
