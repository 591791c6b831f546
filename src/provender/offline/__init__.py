"""Point-in-time joins on one machine. Knows nothing of Feast, nor of who may read what."""
