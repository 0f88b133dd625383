"""Settings, health, credentials and bounds at the edge, and what serves a process."""
