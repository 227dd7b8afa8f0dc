CREATE TABLE customers (
    id    integer PRIMARY KEY,
    name  text NOT NULL,
    since date NOT NULL
);

INSERT INTO customers (id, name, since) VALUES
    (1, 'Baker''s Corner', '2024-03-01'),
    (2, 'The Reading Room', '2024-05-17'),
    (3, 'Harbour Café', '2025-01-09');
