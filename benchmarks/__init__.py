"""Benchmarks as code: one file per claim we publish, with its data and the machine beside it."""
