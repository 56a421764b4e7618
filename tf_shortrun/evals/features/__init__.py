"""Sets of images compared by their features: extractors, and distances between the sets."""
