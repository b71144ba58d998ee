"""OCPP messages in our own words: frozen dataclasses, and one adapter per message version."""
