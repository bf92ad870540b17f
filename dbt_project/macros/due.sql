{# Of a relation with one or more rows a ticket: those of the tickets that are due in this build, `int_tickets_due`.
   A unit test gives the rows that it wants. #}
{% macro due(relation) -%}
    {%- if model.resource_type == 'unit_test' -%}
        {{ relation }}
    {%- else -%}
        (
            select stored.*
            from {{ relation }} as stored
            inner join {{ ref('int_tickets_due') }} as due_tickets
                on
                    stored.connection_id = due_tickets.connection_id
                    and stored.ticket_id = due_tickets.ticket_id
        )
    {%- endif -%}
{%- endmacro %}
