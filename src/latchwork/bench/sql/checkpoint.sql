-- The pages of the filling are written before the measuring, not during it.
CHECKPOINT
