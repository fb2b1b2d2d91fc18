"""Pictures of recordings and of runnables, in one theme."""
