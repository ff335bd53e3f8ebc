"""Measure speed, each figure beside what it is to be compared with, in one run.

    python pipelines/benchmark.py ingest    # training fed by the streaming path, from memory, and a plain PyTorch loop
    python pipelines/benchmark.py plain     # the whole training as a plain single-process loop, then scored

Both take the configuration of pipelines/train.py: `python pipelines/benchmark.py ingest experiment=mini_speech`.
"""
