"""The operator: acts on a running target, one approved action at a time."""
