{# Of a relation with one or more rows a ticket: those of the tickets that are due in this build, `int_tickets_due`, all
   or those of one batch. A unit test gives the rows that it wants. #}
{% macro due(relation, batch=none) -%}
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
                    {%- if batch is not none %}
                    and {{ is_in_batch(batch) }}
                    {%- endif %}
        )
    {%- endif -%}
{%- endmacro %}

{% macro is_in_batch(batch) -%}
    due_tickets.batch = {{ batch }}
{%- endmacro %}

{# After a model that has read batch 0: the rows of all others, one after the other, for memory's sake. #}
{% macro add_other_batches() -%}
    {%- if execute -%}
        {%- set columns = get_quoted_csv(adapter.get_columns_in_relation(this) | map(attribute='name')) -%}
        {%- set last = run_query('select max(batch) from ' ~ ref('int_tickets_due')).columns[0].values()[0] or 0 -%}
        {%- for batch in range(1, last + 1) %}
            insert into {{ this }} ({{ columns }})
            select {{ columns }} from ({{ compiled_code | replace(is_in_batch(0), is_in_batch(batch)) }}) as batch;
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
