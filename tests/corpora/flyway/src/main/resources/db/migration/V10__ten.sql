CREATE TABLE ten (id int);
ALTER TABLE nine ADD ten int;
