"""The run on the throw-away site: the real engine, its events, the audit log, the report."""
