"""Formats reach the models with their column, and what inspection could not read is a finding of that column."""

from test_mapping import built

from dagster_pipeline.engines.formats import ColumnReading, declared_reading


def column(mapping, name):
    return mapping.variables["sources"]["requests"]["columns"][name]


def test_a_column_without_a_reading_says_nothing_of_formats():
    assert column(built(), "created_at") == {"name": "created_at", "type": "TIMESTAMP"}


def test_a_reading_goes_with_its_column_and_its_rule():
    mapping = built(requests={"readings": {"created_at": declared_reading(["%m-%d-%y", "%d.%m.%Y"])}})

    assert column(mapping, "created_at")["formats"] == ["%m-%d-%y", "%d.%m.%Y"]
    assert column(mapping, "created_at")["formats_rule"] == "first"
    assert mapping.findings == ()


def test_values_that_are_not_read_are_a_finding_and_the_column_stays_mapped():
    undecided = ColumnReading((), 5, 0, (("%m-%d-%y",), ("%d-%m-%y",)), "5 values can be read two ways")
    mapping = built(
        requests={"readings": {"created_at": undecided}, "refusals": {"created_at": undecided.note}}
    )

    assert column(mapping, "created_at") == {"name": "created_at", "type": "TIMESTAMP"}
    (found,) = mapping.findings
    assert (found.kind, found.source, found.column) == ("invalid_values", "requests", "created_at")
    assert (found.note, found.expected) == (undecided.note, False)
    assert mapping.variables["findings"] == [
        {"kind": "invalid_values", "source": "requests", "column": "created_at", "note": undecided.note}
    ]
