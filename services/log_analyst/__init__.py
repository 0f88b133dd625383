"""The log specialist: finds where an incident's logs leave their usual course."""
