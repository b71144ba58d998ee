"""Proofs about tables: over all situations that a table can tell apart, not over samples."""
