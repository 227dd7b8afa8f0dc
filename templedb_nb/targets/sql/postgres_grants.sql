-- For the role that deploys, where it is not the owner of the ledger. Put its name in place of :role.

GRANT USAGE ON SCHEMA templedb TO :role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA templedb TO :role;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA templedb TO :role;
