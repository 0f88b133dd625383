"""The HTTP front door of a run store: routes, streams, views, and the edge in front of them."""
