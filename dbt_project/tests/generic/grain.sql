{# One row per combination of the columns, and none of them NULL but the `nullable`, where NULL is a value. #}
{% test grain(model, columns, nullable=[]) %}
select
    {{ (columns + nullable) | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ (columns + nullable) | join(', ') }}
having
    count(*) > 1
    {% for column in columns -%}
    or {{ column }} is null
    {% endfor %}
{% endtest %}
