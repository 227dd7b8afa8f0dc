"""Use cases of migrations: status, lint, drift, and what people say of them."""
