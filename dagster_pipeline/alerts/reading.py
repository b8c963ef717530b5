"""What there is to tell, read from the register in the warehouse: its events are what waits to be told."""

from __future__ import annotations

from dagster_pipeline.alerts.compose import News
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.register.store import SCHEMA, SqlSession, all_events, latest_gaps
from dagster_pipeline.report.model import RunReport

_WAS = f"""
select gap_history.gap_id, gap_history.severity
from {SCHEMA}.gap_history
inner join (
    select gap_id, max(run_number) as last_run
    from {SCHEMA}.gap_history
    where status <> 'resolved'
    group by gap_id
) unresolved
on gap_history.gap_id = unresolved.gap_id and gap_history.run_number = unresolved.last_run
"""  # noqa: S608 (a constant, no value from outside)


def read_news(session: SqlSession, report: RunReport, digest: str | None = None) -> News:
    """The register as of the last run; needs ``store.prepare``. ``digest`` is the daily checkpoint in Markdown.

    Raises PlumblineError where a stored gap can't be read.
    """
    gaps = {gap.gap_id: gap for gap in latest_gaps(session)}
    return News(report, gaps, all_events(session), last_severities(session), digest)


def last_severities(session: SqlSession) -> dict[str, Severity]:
    """The severity each gap had when it was last unresolved, by id."""
    return {gap_id: Severity(name) for gap_id, name in session.execute(_WAS).fetchall()}
