"""A deterministic planner for machines without a key: rules that never pose as a model."""
