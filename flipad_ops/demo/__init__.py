"""The demo: small generators made from real photographs, attributed end to end."""
