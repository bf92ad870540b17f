{# What stands under a key of the object in a JSON column, as JSON. #}
{% macro json_part(expression, key) -%}
    {{ return(adapter.dispatch('json_part', 'unified_ticketing')(expression, key)) }}
{%- endmacro %}

{% macro default__json_part(expression, key) -%}
    {{ exceptions.raise_compiler_error("json_part has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_part(expression, key) -%}
    json_extract({{ expression }}, '$."{{ key }}"')
{%- endmacro %}

{% macro postgres__json_part(expression, key) -%}
    {{ expression }} -> '{{ key }}'
{%- endmacro %}
