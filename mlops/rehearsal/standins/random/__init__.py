"""Stand-in for the ``random`` provider 4.21.4."""
