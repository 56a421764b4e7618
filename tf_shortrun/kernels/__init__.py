"""How a state moves: pure step functions and the one loop that runs them."""
