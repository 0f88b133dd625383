"""The code specialist: finds faults in source that explain an incident."""
