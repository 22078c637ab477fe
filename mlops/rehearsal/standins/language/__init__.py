"""Stand-in for the Python language host: runs the program for the engine, each run in a process of its own."""
