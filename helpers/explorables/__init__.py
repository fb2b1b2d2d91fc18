"""Outputs that a reader moves by hand: the player, the stepper, explorers."""
