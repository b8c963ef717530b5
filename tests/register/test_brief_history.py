"""The briefs that runs were held to: appended, and read back in order."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.brief_history import BriefSeen, append_briefs, read_brief_history
from dagster_pipeline.register.store import prepare

AT = datetime(2026, 11, 6, 6, 12, 41, 123456, tzinfo=UTC)


def a_brief(day=0, saw_data=True, experiment="quoting_v2"):
    return BriefSeen(
        f"run-{day}",
        AT + timedelta(days=day),
        experiment,
        "3f" * 32,
        {"brief": {"question": "Why?"}},
        saw_data,
    )


@pytest.fixture
def session():
    with duckdb.connect() as connection:
        prepare(connection)
        yield connection


def test_what_is_appended_is_read_back_oldest_first(session):
    append_briefs(session, [a_brief(2)])
    append_briefs(session, [a_brief(1, saw_data=False), a_brief(1, experiment="another")])
    append_briefs(session, [])
    assert read_brief_history(session) == (
        a_brief(1, experiment="another"), a_brief(1, saw_data=False), a_brief(2),
    )  # fmt: skip


def test_a_brief_that_can_not_be_read_is_said_rather_than_forgotten(session):
    append_briefs(session, [a_brief()])
    session.execute("update plumbline_register.brief_history set document = '{'")
    with pytest.raises(NotEvaluatedError, match="run-0"):
        read_brief_history(session)
