"""The flagship scenario: New York flights of 2013 and 2023, from raw archives to a served model."""
