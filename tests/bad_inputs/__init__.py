"""Bad inputs and what becomes of each: cases, tests of them, and the page that lists them."""
