"""Strategies a loop may use: pure code, a judge is handed in."""
