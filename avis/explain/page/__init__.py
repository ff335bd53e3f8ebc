"""Pages of explanations."""
