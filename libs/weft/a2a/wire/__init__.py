"""A2A as it is written: cards, messages, tasks, outcomes, errors."""
