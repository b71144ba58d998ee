"""One unit as the bridge sees it, and the loop that brings it to the state that is wanted. Knows no OCPP."""
