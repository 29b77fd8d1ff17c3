-- The schema's name is put in by the driver's own quoting: nothing here may ever mean another schema.
DROP SCHEMA {} CASCADE
