DELETE FROM moods WHERE id = 2;
