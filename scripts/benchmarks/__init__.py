"""Benchmarks of Freehold: each figure is measured beside its reference, in the same run, on the same machine."""
