"""What one broker tells the others: ids over LISTEN/NOTIFY, never state.

A lost message costs latency, not truth: every listener has a second way to find out.
"""
