"""Simulated units, a simulated LAN and a demo CSMS. Only the commands that simulate import it."""
