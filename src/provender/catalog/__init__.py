"""The catalog's guts: functions over a session, on SQLite or PostgreSQL. SQL rows never leave."""
