"""Files that are copied into the hosts and run there, on the host's own Python or sh; they import nothing of this project."""
