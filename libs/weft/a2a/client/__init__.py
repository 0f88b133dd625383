"""A2A agents called as peers."""
