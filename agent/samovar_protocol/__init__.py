"""The contract between the agent and its clients.

Both sides import this package; it imports neither. `PROTOCOL.md` beside it shows every message on the wire.
"""

from samovar_protocol.endpoint import Endpoint
from samovar_protocol.failures import Failure, FailureCode, SamovarError
from samovar_protocol.places import Places
from samovar_protocol.version import HISTORY, PROTOCOL_VERSION

__all__ = [
    "HISTORY",
    "PROTOCOL_VERSION",
    "Endpoint",
    "Failure",
    "FailureCode",
    "Places",
    "SamovarError",
]
