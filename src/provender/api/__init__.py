"""The catalog over HTTP, under /api/v1: routes that parse, ask a catalog and render what it answers."""
