DROP TABLE marked_by_a_bom;
