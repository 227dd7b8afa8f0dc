ALTER TABLE contacts ADD COLUMN cell_phone text;
UPDATE contacts SET cell_phone = '+49 30 000' || id;
