"""The bench: this program and two other ways to install the same objects, on identical throw-away sites."""
