{# None of the numbers is ever below zero; NULL is no number. #}
{% test never_negative(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns -%}
    {{ 'or ' if not loop.first }}{{ column }} < 0
    {% endfor %}
{% endtest %}
