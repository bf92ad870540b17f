{# Text to be sorted by its bytes, so that every warehouse and locale agrees. #}
{% macro byte_order(expression) -%}
    {{ return(adapter.dispatch('byte_order', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__byte_order(expression) -%}
    {{ expression }}
{%- endmacro %}

{% macro postgres__byte_order(expression) -%}
    {{ expression }} collate "C"
{%- endmacro %}
