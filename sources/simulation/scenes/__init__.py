"""Version 2 of the drawing: people in depth, who also do what is no gesture, in rooms where other things move."""
