{# Every row has its counterpart in another model by a key of several columns. #}
{% test refers_to(model, to, columns, where='true') %}
with children as (

    select distinct {{ columns | join(', ') }}
    from {{ model }}
    where {{ where }}

)

select children.*
from children
left join {{ to }} as parents
    on
        {% for column in columns -%}
        {{ 'and ' if not loop.first }}children.{{ column }} = parents.{{ column }}
        {% endfor %}
where parents.{{ columns[0] }} is null
{% endtest %}
