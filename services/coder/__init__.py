"""The coder: writes a patch for a project, and runs its tests shut in, on a copy."""
