"""The front door: HTTP in, durable runs out."""
