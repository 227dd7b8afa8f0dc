START TRANSACTION;
CREATE TABLE first_half (id int);
COMMIT;
CREATE TABLE between_them (id int);
BEGIN WORK;
CREATE TABLE second_half (id int);
END;

---- create above / drop below ----
DROP TABLE first_half, between_them, second_half;
