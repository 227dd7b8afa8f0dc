"""Plans: what must happen, what its reader must know, whether it still fits."""
