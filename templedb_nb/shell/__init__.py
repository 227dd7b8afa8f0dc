"""Where commands run: under a supervisor that outlives us, their output masked as it comes."""
