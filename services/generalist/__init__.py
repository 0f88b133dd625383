"""The generalist: answers from a team's own runbooks, and plays the roles of a plan with a model."""
