"""ECHONET Lite: frames, values, the request session, our own node. Knows no OCPP and no mapping table."""
