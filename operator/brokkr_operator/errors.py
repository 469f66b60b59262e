"""What can go wrong in the agent: with the Kubernetes API, with the broker, with a stack."""

from typing import Any


class OperatorError(Exception):
    """Base of every error of ours."""


class StartupError(OperatorError):
    """The agent cannot start."""


class KubeError(OperatorError):
    """The Kubernetes API refused a request."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", details: Any = None):
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details: dict[str, Any] = details or {}


class KubeNotFound(KubeError):
    """There is no such object, or no such kind."""


class KubeConflict(KubeError):
    """The object changed or exists."""


class KubeInvalid(KubeError):
    """The object is not what the API server accepts."""


class KubeForbidden(KubeError):
    """The agent may not do that, or an admission policy says no."""


class KubeUnavailable(KubeError):
    """The API server does not answer, or not now. Try again."""


class UnknownKind(OperatorError):
    """The cluster does not serve this kind."""


class BrokerError(OperatorError):
    """The broker does not answer, or not as promised."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_general(self) -> bool:
        """Whether it says nothing about what was sent: whatever comes next would fare alike."""
        return self.status in (0, 401, 429, 502, 503, 504)


class StackError(OperatorError):
    """A stack cannot be brought to its desired state now.

    `reason` is one of the fixed list in `resources.conditions`; `stalled` says that trying again
    helps only after somebody changed something.
    """

    def __init__(self, message: str, *, reason: str, stalled: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.stalled = stalled


class PayloadMissing(OperatorError):
    """The YAML of a stack is not in the cluster (yet); sync has to bring it."""
