"""What a manifest can be: one reader a kind, all of which give Arrow batches."""
