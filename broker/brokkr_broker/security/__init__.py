"""Keys, identities and permissions: pure functions on text and values, no I/O."""
