"""Whether explanations are the reasons: what happens to the evidence if they are taken at their word."""
