"""Stand-ins for controllers and webhook backends of the throw-away site: what kwok's simulated pods cannot do themselves.

One process, `python -m mlops.rehearsal.controllers`, plays every entry of :mod:`mlops.rehearsal.controllers.table`; each names the
program it stands in for and acts only while that program's Deployment is Available. Certificates are real, made by a real CA.
"""
