"""Settings: YAML in, frozen values out."""
