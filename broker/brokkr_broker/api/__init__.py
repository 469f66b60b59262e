"""HTTP: a request is let in, parsed, given to one service, and its answer rendered.

Handlers are short on purpose. Decisions belong into `services`, SQL into `dal`.
"""

from brokkr_broker.api import (
    admin,
    agents,
    auth,
    channel,
    deployments,
    diagnostics,
    events,
    generators,
    health,
    labels,
    ops,
    stacks,
    stream,
    templates,
    webhooks,
    work_orders,
)
from brokkr_broker.api.route import Route

ROUTES: list[Route] = [
    *admin.ROUTES,
    *agents.ROUTES,
    *auth.ROUTES,
    *channel.ROUTES,
    *deployments.ROUTES,
    *diagnostics.ROUTES,
    *events.ROUTES,
    *generators.ROUTES,
    *health.ROUTES,
    *labels.ROUTES,
    *ops.ROUTES,
    *stacks.ROUTES,
    *stream.ROUTES,
    *templates.ROUTES,
    *webhooks.ROUTES,
    *work_orders.ROUTES,
]
