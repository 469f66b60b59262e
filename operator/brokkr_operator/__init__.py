"""The agent: pulls what is meant for its cluster, applies it, keeps it true, reports back.

    pull -> mirror -> [CR spec] -> reconcile -> apply, prune -> [CR status] -> report

The Kubernetes API is the seam: `sync` writes specs of our resources, `reconcile` writes cluster
objects and status, `report` reads status and talks to the broker. Kill the process at any line:
nothing is lost.
"""
