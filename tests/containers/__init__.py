"""Checks of image, compose file and manifests, as far as they go without a container engine."""
