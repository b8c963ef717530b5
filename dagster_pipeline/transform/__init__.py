"""From plumbline.yml and the inspected sources to dbt models built in the warehouse."""
