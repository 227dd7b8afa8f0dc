-- migrate:up
CREATE TABLE part_one (id int);
-- migrate:down
DROP TABLE part_one;
-- migrate:up
CREATE TABLE part_two (id int);
-- migrate:down
DROP TABLE part_two;
