"""ocpp-echonet: an OCPP charging station to the north, an ECHONET Lite controller of V2H units to the south."""

__version__ = "0.1.0"
