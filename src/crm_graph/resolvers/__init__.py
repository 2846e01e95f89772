"""How a field is answered: selection → plan → sql → read, with no per-entity code. See README.md beside this file."""
