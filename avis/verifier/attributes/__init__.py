"""What a voice sounds like, guessed from its embedding: observations in explanations, never a part of a score."""
