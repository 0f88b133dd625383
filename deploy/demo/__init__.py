"""A small shop to look after, and one recorded bad minute of its life."""
