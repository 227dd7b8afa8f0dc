CREATE TABLE orders (
    id       integer PRIMARY KEY,
    customer integer NOT NULL REFERENCES customers (id),
    cents    bigint NOT NULL CHECK (cents > 0),
    placed   date NOT NULL
);

INSERT INTO orders (id, customer, cents, placed) VALUES
    (1, 1, 12900, '2025-02-03'),
    (2, 1, 4550, '2025-02-21'),
    (3, 3, 8800, '2025-03-02');
