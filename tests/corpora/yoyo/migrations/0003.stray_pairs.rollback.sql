DROP TABLE first_half, between_them, second_half;
