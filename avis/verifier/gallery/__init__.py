"""A gallery of people who are enrolled with their voices."""
