-- The channel's name is an identifier: it is put in by the driver's own quoting, not as a parameter.
LISTEN {}
