{# None of the columns is ever NULL (in the rows that count). #}
{% test never_null(model, columns, where='true') %}
select {{ columns | join(', ') }}
from {{ model }}
where
    {{ where }}
    and (
        {% for column in columns -%}
        {{ 'or ' if not loop.first }}{{ column }} is null
        {% endfor %}
    )
{% endtest %}
