"""Templates and schemas, worked on in processes of their own.

Both come from users and may be hostile: a pattern that never ends, a list that doubles. A worker
has no connection to anything, a limit on its memory, and is killed when it takes too long; the
broker's event loop only waits.
"""
