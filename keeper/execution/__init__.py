"""The only package that signs and sends."""
