"""The one training loop and everything that decides how it runs."""
