"""A model that learns to say of two embeddings what checked sentences say of recordings; it decides nothing."""
