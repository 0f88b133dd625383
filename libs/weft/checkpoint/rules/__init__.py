"""What a database of runs decides, written once for every transactional backend."""
