"""The metrics specialist: finds which measurements left their usual range."""
