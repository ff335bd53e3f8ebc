"""What recordings of one's own people tell of a verifier, and a calibration on them."""
