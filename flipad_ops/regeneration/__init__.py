"""The second witness: can the generator make this very image?"""
