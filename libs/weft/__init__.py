"""Weft: a mesh of agents. The public API, loaded lazily."""
