"""Augmentation: one transform per file, pure functions of (waveform, rng) and, where needed, a bank of recordings."""
