START TRANSACTION;
CREATE TABLE first_half (id int);
COMMIT;
CREATE TABLE between_them (id int);
BEGIN WORK;
CREATE TABLE second_half (id int);
END;
