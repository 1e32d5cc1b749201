"""Samovar's own API, below `/api/samovar/`."""
