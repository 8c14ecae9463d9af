"""Measurements that run side by side in one process or one run; `make bench-kernel`."""
