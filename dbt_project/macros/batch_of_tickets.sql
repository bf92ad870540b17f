{# The number of a batch, from 0, for each of some tickets: where a warehouse has to hold whole groups in memory while it
   makes texts and lists of them, a batch is of so many as it can. #}
{% macro batch_of_tickets() -%}
    {{ return(adapter.dispatch('batch_of_tickets', 'unified_ticketing')()) }}
{%- endmacro %}

{% macro default__batch_of_tickets() -%}
    0
{%- endmacro %}

{% macro duckdb__batch_of_tickets() -%}
    cast((row_number() over () - 1) // {{ var('tickets_per_batch') }} as integer)
{%- endmacro %}
