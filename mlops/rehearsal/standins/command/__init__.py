"""Stand-in for the ``command`` provider 1.2.1: local and remote commands, copies to remote hosts."""
