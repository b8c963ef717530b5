"""Money over the horizon, as the brief counts it: the definitions that docs/value.md states, each a function of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dagster_pipeline.config.brief import Incident, Value

_DAY = timedelta(days=1)
_DAYS_A_WEEK = 7


class OptionName(StrEnum):
    """The courses that are valued."""

    GO = "go"
    PARTIAL = "partial"
    HOLD = "hold"


@dataclass(frozen=True)
class Amount:
    """Money: expected, within its sampling interval, and within what the open gaps allow.

    ``expected`` None is not known, with the ``reason``; an end that is None is not known or has no limit.
    """

    expected: float | None
    ci_lower: float | None = None
    ci_upper: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None

    def through(self, function: Callable[[float], float]) -> Amount:
        """The same figure after a rising function; what is not known stays so."""

        def seen(end: float | None) -> float | None:
            return None if end is None else function(end)

        return Amount(
            seen(self.expected),
            seen(self.ci_lower),
            seen(self.ci_upper),
            seen(self.lower),
            seen(self.upper),
            self.reason,
        )


def expected_incident(incident: Incident | None, exposure: float) -> float:
    """Probability × cost at full traffic × the share of it exposed; 0 where the brief names no incident."""
    return 0.0 if incident is None else incident.probability * incident.cost * exposure


def launch_value(
    benefit_per_day: float, days: float, share: float, infrastructure_per_day: float, incident: float
) -> float:
    """Days × (share × benefit − infrastructure) − incident: infrastructure is paid in full whatever the share."""
    return days * (share * benefit_per_day - infrastructure_per_day) - incident


def cost_of_delay(benefit_per_day: float, infrastructure_per_day: float, weeks: float = 1.0) -> float:
    """What waiting forgoes: 7 × weeks × (benefit − infrastructure); 0 where a launch would not pay."""
    return max(0.0, _DAYS_A_WEEK * weeks * (benefit_per_day - infrastructure_per_day))


@dataclass(frozen=True)
class Terms:
    """What the brief says of money, the same for every treatment; shares of traffic are of one."""

    value: Value
    partial_share: float

    @property
    def days(self) -> float:
        """The horizon."""
        return self.value.horizon / _DAY

    @property
    def shares(self) -> dict[OptionName, float]:
        """The traffic each course reaches."""
        return {OptionName.GO: 1.0, OptionName.PARTIAL: self.partial_share, OptionName.HOLD: 0.0}

    def infrastructure(self, option: OptionName) -> float:
        """Over the horizon; a launch that is not made costs none."""
        return 0.0 if option is OptionName.HOLD else self.days * self.value.infrastructure_per_day

    def incident(self, option: OptionName) -> float:
        """The expected incident cost of a course."""
        return expected_incident(self.value.incident, self.shares[option])

    def worth(self, option: OptionName, benefit_per_day: float) -> float:
        """One course's value over the horizon, were this the benefit."""
        if option is OptionName.HOLD:
            return 0.0
        return launch_value(
            benefit_per_day,
            self.days,
            self.shares[option],
            self.value.infrastructure_per_day,
            self.incident(option),
        )

    def best(self, benefit_per_day: float) -> OptionName:
        """The course worth most; of equal ones the more careful."""
        return max(OptionName, key=lambda option: (self.worth(option, benefit_per_day), -self.shares[option]))

    def regret(self, option: OptionName, benefit_per_day: float) -> float:
        """What the best course would have been worth more, were this the benefit."""
        return self.worth(self.best(benefit_per_day), benefit_per_day) - self.worth(option, benefit_per_day)
