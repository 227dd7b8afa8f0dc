CREATE TABLE later_number (id int);
