"""Whatever people and runs do, in any order: no event is lost, no gap forks, no waiver that ended stays in force."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from lives import DAY, FIRST, a_gap, a_waiver, an_act, nothing_found

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.register import store
from dagster_pipeline.register.acts import ActKind, gap_acts, record_act
from dagster_pipeline.register.history import EventKind, merge
from dagster_pipeline.register.journal import read_journal
from dagster_pipeline.register.lifecycle import apply_act

PLACES = (("missing_values", "quotes", "price"), ("orphan_rows", "hires", None))
IDS = tuple(a_gap(*place).gap_id for place in PLACES)
FOUND = st.sampled_from([(None,), (0.06,), (0.06,), (0.064,), (0.12,)])
UNREAD = st.sampled_from([(), (), (), ("quotes",), ("hires",)])
KINDS = st.sampled_from([*ActKind, ActKind.ACCEPT, ActKind.ACCEPT])
NEXT_STATUS = {
    EventKind.OPENED: GapStatus.OPEN,
    EventKind.REOPENED: GapStatus.OPEN,
    EventKind.ACKNOWLEDGED: GapStatus.ACKNOWLEDGED,
    EventKind.ACCEPTED: GapStatus.ACCEPTED,
    EventKind.RESOLVED: GapStatus.RESOLVED,
    EventKind.FALSE_POSITIVE: GapStatus.RESOLVED,
}


class Lives(RuleBasedStateMachine):
    """A register in a warehouse, the journal beside its configuration, and a clock."""

    @initialize()
    def a_warehouse(self):
        """Nothing is known yet."""
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Path(self.folder.name) / "plumbline.journal.jsonl"
        self.session = duckdb.connect()
        store.prepare(self.session)
        self.now, self.runs, self.recorded, self.told = FIRST, 0, [], ()

    def teardown(self):
        """The folder goes."""
        self.session.close()
        self.folder.cleanup()

    def shown(self):
        """The gaps as somebody at the command line has them: the register, and what people did since."""
        gaps = {gap.gap_id: gap for gap in store.latest_gaps(self.session)}
        folded = store.folded_acts(self.session)
        for act in gap_acts(read_journal(self.journal)):
            if act.digest not in folded:
                gaps[act.gap_id] = apply_act(gaps[act.gap_id], act)
        return gaps

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours):
        """Nobody does anything."""
        self.now += hours * DAY / 24

    @rule(shares=st.tuples(*[st.none() | FOUND | FOUND] * 2), unread=UNREAD)  # fmt: skip
    def a_run(self, shares, unread):
        """A run measures what it can: None is a gap that is not found."""
        self.runs += 1
        self.now += DAY / 24
        measured = [a_gap(*place, share_residual=found[0]) for place, found in zip(PLACES, shares, strict=True) if found and place[1] not in unread]  # fmt: skip
        folded = store.folded_acts(self.session)
        acts = [act for act in gap_acts(read_journal(self.journal)) if act.digest not in folded]
        prior = store.latest_gaps(self.session)
        merged = merge(prior, measured, nothing_found(unread), run_id=f"run-{self.runs}", at=self.now, acts=acts)  # fmt: skip
        store.append_run(
            self.session,
            store.RunRecord(f"run-{self.runs}", self.now, self.now, merged.gaps, merged.events),
        )
        self.what_was_measured_counts(measured, unread)
        self.no_event_is_lost_or_rewritten()
        self.no_gap_forks()
        self.the_state_is_what_the_events_say()
        self.no_waiver_outlives_its_date_or_its_share()

    @rule(kind=KINDS, which=st.sampled_from(IDS), days=st.integers(1, 4))
    def somebody_acts(self, kind, which, days):
        """What the command line does: an act that is allowed on the gap as it stands goes into the journal."""
        gap = self.shown().get(which)
        if gap is None:
            return
        self.now += DAY / 1440
        share = gap.share_residual if gap.share_residual is not None else gap.share_affected
        waiver = a_waiver(granted_at=self.now, expires_at=self.now + days * DAY, share=share)
        act = an_act(kind, which, at=self.now)
        act = replace(act, waiver=waiver if kind is ActKind.ACCEPT else None)
        try:
            apply_act(gap, act)
        except PlumblineError:
            return
        self.recorded.append(record_act(self.journal, act).digest)

    def what_was_measured_counts(self, measured, unread):
        """What was found is not resolved, what was looked for and is gone is, and what nobody could look at is neither."""
        found = {gap.gap_id for gap in measured}
        for gap in store.latest_gaps(self.session):
            if gap.gap_id in found:
                assert gap.status is not GapStatus.RESOLVED
            elif gap.table not in unread:
                assert gap.status is GapStatus.RESOLVED
            assert (gap.life.unmeasured_since is None) or gap.gap_id not in found

    def no_event_is_lost_or_rewritten(self):
        """The events only ever grow, and every act is told once, by the first run after it."""
        events = store.all_events(self.session)
        assert events[: len(self.told)] == self.told
        self.told = events
        acts = Counter(event.act for event in events if event.act)
        assert set(acts.values()) <= {1}
        waiting = [act.digest for act in gap_acts(read_journal(self.journal)) if act.digest not in acts]
        assert [*acts, *waiting] == self.recorded
        assert not any(event.why and "changed nothing" in event.why for event in events)

    def no_gap_forks(self):
        """There is one state per gap, it has its first date and owner, and it was opened as often as its events say."""
        gaps = store.latest_gaps(self.session)
        assert len({gap.gap_id for gap in gaps}) == len(gaps)
        assert {gap.gap_id for gap in gaps} <= set(IDS)
        for gap in gaps:
            own = store.gap_events(self.session, gap.gap_id)
            assert own[0].event is EventKind.OPENED
            assert own[0].at == gap.first_seen
            openings = [e for e in own if e.event in (EventKind.OPENED, EventKind.REOPENED)]
            assert gap.life.openings == len(openings)
            assert gap.life.opened_at == openings[-1].at

    def the_state_is_what_the_events_say(self):
        """Nothing changes a gap's status but an event."""
        for gap in store.latest_gaps(self.session):
            said = [NEXT_STATUS[e.event] for e in store.gap_events(self.session, gap.gap_id) if e.event in NEXT_STATUS]  # fmt: skip
            assert gap.status is said[-1]

    def no_waiver_outlives_its_date_or_its_share(self):
        """As of the run; in between the gate itself looks at the date."""
        for gap in store.latest_gaps(self.session):
            if gap.status is GapStatus.ACCEPTED:
                waiver = gap.life.waiver
                assert waiver.expires_at > self.now
                share = gap.share_residual if gap.share_residual is not None else gap.share_affected
                assert share <= waiver.share * 1.1 + 1e-9
            else:
                assert gap.life.waiver is None


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
