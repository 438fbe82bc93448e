"""What desk and console have in common: the gate, sessions, CSRF tokens, rendering, words for time and markings."""
