--! Previous: sha1:6259a715ee9e9e3d9c233906869cc6f9582ad524
--! Hash: sha1:88d0b51dd73b3cf1be50ec09629369bd30e14ab6
--! Message: stray_pairs

START TRANSACTION;
CREATE TABLE first_half (id int);
COMMIT;
CREATE TABLE between_them (id int);
BEGIN WORK;
CREATE TABLE second_half (id int);
END;
