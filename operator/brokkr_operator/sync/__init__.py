"""From the broker into the cluster: the only writer of our resources' specs.

Applies no manifest. Absence of a stack from an answer never removes anything: only a deletion
marker does.
"""
