"""Benchmarks: how well and how fast, beside the references, in one run."""
