"""The rehearsal: a throw-away site on one machine, stand-ins for what cannot be had there, and the real engine's run on it."""
