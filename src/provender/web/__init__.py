"""The catalog's pages: rendered on the server, without JavaScript, every one with a ``.json`` twin."""
