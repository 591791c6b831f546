"""A catalog that is asked over HTTP: the Protocols of `core.protocols`, spoken to /api/v1."""

from provender.client.catalog import HttpCatalog

__all__ = ["HttpCatalog"]
