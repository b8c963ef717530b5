"""The three runs the report is tested on: one with everything, one of attacks, one of nothing."""

import pytest
from sample_report import a_hostile_report, an_empty_report, the_report


@pytest.fixture
def report():
    return the_report()


@pytest.fixture
def hostile_report():
    return a_hostile_report()


@pytest.fixture
def empty_report():
    return an_empty_report()
