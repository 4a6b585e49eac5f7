"""LoRA training: examines the data, trains in a process of its own, leaves an adapter to admit."""
