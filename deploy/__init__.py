"""How Weft is put on machines."""
