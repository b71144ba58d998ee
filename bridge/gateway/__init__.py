"""Configuration, composition, supervision, start and stop."""
