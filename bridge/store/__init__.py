"""Everything that must survive a power cut. Knows neither protocol."""
