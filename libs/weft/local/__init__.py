"""The mesh of one machine: its processes, ports, keys and credentials."""
