"""What is told while it happens: wake-ups for agents, events for watchers. Knows no HTTP.

Nothing here is needed for anything to be right: who misses a word finds out by asking.
"""
