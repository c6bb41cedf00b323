"""Small generators trained on real images, to measure attribution on."""
