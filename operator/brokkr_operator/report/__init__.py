"""From the status of our resources to the broker. Every report carries an id and may be repeated.

Changes nothing in the cluster but the note that an event was delivered.
"""
