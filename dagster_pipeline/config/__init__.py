"""plumbline.yml → validated frozen types; the catalogue of sources and the metric definitions."""
