"""The broker's REST API as an agent sees it."""
