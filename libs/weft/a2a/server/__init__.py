"""A2A served over runs."""
