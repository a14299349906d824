"""How the tables came to be, step by step; read by Alembic only."""
