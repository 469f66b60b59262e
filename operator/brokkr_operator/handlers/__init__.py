"""kopf's edge: thin handlers, one package per process (agent, later manager)."""
