"""Bring the cluster to what a BrokkrStack wants, and write down what is true.

Level-triggered: every pass reads all it needs and does the same for create, update, restart and
timer. The status of the resource is the only memory. Knows no broker and no kopf.
"""
