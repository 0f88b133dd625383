"""Turns a goal into a plan, and carries it out over peers."""
