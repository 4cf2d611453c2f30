"""From the outputs of the steps so far to logits, probabilities and scores."""
