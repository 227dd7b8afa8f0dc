CREATE TYPE walk_state AS ENUM ('planned', 'under way', 'done');

CREATE TABLE walks (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile uuid NOT NULL REFERENCES profiles (id),
    state   walk_state NOT NULL DEFAULT 'planned',
    note    text NOT NULL DEFAULT 'It''s a dog''s life; 100%'
);
