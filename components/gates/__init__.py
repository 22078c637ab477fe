"""Gates before a write, as one resource hook per object: what the object needs is asked of the API server itself.

Why a hook and not a retry: the write itself is never repeated. A gate only asks: it reads, or sends the object as a server-side
dry-run, which stores nothing (webhooks must be free of side effects on a dry-run, which the API server enforces). It has a
deadline, and its last answer is the error text. Why not the readiness of the pods: a pod is Ready before its endpoint, its
certificate and its caBundle are (docs/decisions/0006).
"""

from components.gates.hook import gate_hook, set_gate_hook
from components.gates.needs import Needs, needs_of

__all__ = ["Needs", "gate_hook", "needs_of", "set_gate_hook"]
