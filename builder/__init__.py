"""From a lesson.md to its notebook, and the tables that are made from all lessons."""
