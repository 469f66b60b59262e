"""What broker and agent share: the words they exchange and the tools both need.

Pure and small. Nothing here imports a driver, a framework, the broker or the operator, and
nothing here does I/O beyond reading settings and writing log lines.
"""

__version__ = "0.1.0"
