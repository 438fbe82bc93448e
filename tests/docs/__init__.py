"""Reference pages made from the code, so that they cannot drift: ``python -m tests.docs`` writes them."""
