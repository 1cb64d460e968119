"""Training: one loop, and one module per stage (autoencoder, diffusion forcing, preference)."""
