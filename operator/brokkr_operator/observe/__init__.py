"""Live objects to judgements: is it ready, and why not. Pure, no I/O."""
