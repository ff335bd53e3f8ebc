"""Measurements of AVIS, each figure beside what it is to be compared with; pipelines/benchmark.py runs them."""
