"""A verifier as a service: an application of Ray Serve, and what stands around it."""
