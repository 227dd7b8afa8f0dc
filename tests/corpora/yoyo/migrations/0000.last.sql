-- depends: 0013.no_last_newline 0001.users
CREATE TABLE last_of_all (id int);
