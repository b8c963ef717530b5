"""From tables someone else named to a proposed plumbline.yml: live where it is sure, a comment where not."""

from dagster_pipeline.discovery.proposal import Proposal
from dagster_pipeline.discovery.survey import discover, propose

__all__ = ["Proposal", "discover", "propose"]
