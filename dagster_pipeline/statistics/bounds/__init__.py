"""Sharp or outer bounds of an effect under one defect of the data; one module per topic (GAPS.md §2)."""
