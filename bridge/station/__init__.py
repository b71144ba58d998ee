"""The OCPP charging station. Knows no ECHONET."""
