"""What is seen: loaders return a `Dataset` of two splits, batches come from there."""
