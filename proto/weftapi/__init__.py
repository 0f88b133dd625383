"""Generated stubs of the mesh's internal API, beside their sources."""
