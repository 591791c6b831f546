"""A catalog that is asked over HTTP: the Protocols of `core.protocols`, spoken to /api/v1."""
