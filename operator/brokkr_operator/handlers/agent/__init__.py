"""The agent's handlers.

NB: only handlers that need no finalizer. kopf's timers, daemons and delete handlers put one on
every object they serve, and then deleting our resources would hang while the agent is away.
"""
