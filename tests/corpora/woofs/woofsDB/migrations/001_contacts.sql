CREATE TABLE contacts (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO contacts (name) VALUES ('Rosa'), ('Emil');
