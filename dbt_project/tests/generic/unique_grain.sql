{# Fails on any repeated combination of columns: the model broke its own grain, which is our bug, never the data's. #}
{% test unique_grain(model, columns, where=none) %}
select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
{% if where %}where {{ where }}{% endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
