DROP TABLE last_of_all;
