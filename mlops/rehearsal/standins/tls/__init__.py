"""Stand-in for the ``tls`` provider 5.6.2: keys, certificate requests, certificates."""
