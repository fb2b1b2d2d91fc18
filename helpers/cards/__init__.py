"""What a cell shows as text: checks, quizzes, tables, differences, sources, the environment."""
