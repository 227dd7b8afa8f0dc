"""Objects of databases: drift, identity, and what migrations created."""
