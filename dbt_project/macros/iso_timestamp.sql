{# A UTC timestamp as ISO-8601 text with microseconds and Z. #}
{% macro iso_timestamp(expression) -%}
    {{ return(adapter.dispatch('iso_timestamp', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__iso_timestamp(expression) -%}
    to_char({{ expression }}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
{%- endmacro %}

{% macro duckdb__iso_timestamp(expression) -%}
    strftime({{ expression }}, '%Y-%m-%dT%H:%M:%S.%fZ')
{%- endmacro %}
