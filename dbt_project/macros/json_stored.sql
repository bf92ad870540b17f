{# A JSON column of a mart, where it is of type json on both warehouses, as what the JSON macros read. #}
{% macro json_stored(expression) -%}
    {{ return(adapter.dispatch('json_stored', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__json_stored(expression) -%}
    {{ expression }}
{%- endmacro %}

{% macro postgres__json_stored(expression) -%}
    cast({{ expression }} as jsonb)
{%- endmacro %}
