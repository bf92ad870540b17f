{# The indexes of a table for warehouses whose look-ups use them; DuckDB's joins do not, and while one table with an
   index is replaced it may fail another thread's look into the catalogue. #}
{% macro indexes_where_used(indexes) -%}
    {{ return(adapter.dispatch('indexes_where_used', 'unified_ticketing')(indexes)) }}
{%- endmacro %}

{% macro default__indexes_where_used(indexes) -%}
    {{ return(indexes) }}
{%- endmacro %}

{% macro duckdb__indexes_where_used(indexes) -%}
    {{ return([]) }}
{%- endmacro %}
