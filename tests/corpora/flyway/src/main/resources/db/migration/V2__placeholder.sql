-- ${not_a_placeholder_here}
CREATE TABLE ${prefix}_items (id int);
