"""Tools of those who write mapping tables: nothing of a running gateway imports them."""
