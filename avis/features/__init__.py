"""Features: waveforms in, frames out."""
