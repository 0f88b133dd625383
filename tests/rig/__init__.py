"""Long trials, each a command of its own: `python -m tests.rig.NAME`; pytest does not collect them."""
