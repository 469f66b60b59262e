"""Our own resources as values: names, typed views, conditions, the payload. Pure, no I/O."""
