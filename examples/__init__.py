"""Programs written with Latchwork. Run them from the root of the checkout."""
