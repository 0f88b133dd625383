"""A shop of four services: frontend, checkout, payment and inventory, a process each."""
