"""What extensions of the agent import. Names here stay. See docs/extensions.md."""

from brokkr_operator.observe.readiness import Health, Verdict
from brokkr_operator.reconcile.work.work import Work
from brokkr_operator.resources.workorder import Result

__all__ = ["Health", "Result", "Verdict", "Work"]
