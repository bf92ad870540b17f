{# The incremental strategy `due_tickets`: all rows of the tickets that are due give way to those made of them now, which
   may be none. By delete and insert, for DuckDB's MERGE rewrites every row group that it touches. #}
{% macro get_incremental_due_tickets_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arguments['target_relation'] }} as stored
    using {{ model_relation('int_tickets_due') }} as due_tickets
    where
        stored.connection_id = due_tickets.connection_id
        and stored.ticket_id = due_tickets.ticket_id;

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}
