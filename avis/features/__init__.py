"""Features: waveforms in, frames of mel energies out."""
