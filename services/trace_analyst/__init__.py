"""The trace specialist: finds where an incident's requests lose time, or stop."""
