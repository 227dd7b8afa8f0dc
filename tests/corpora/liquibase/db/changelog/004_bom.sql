--liquibase formatted sql

--changeset rosa:bom labels:main context:all
CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');

--rollback DROP TABLE marked_by_a_bom;
