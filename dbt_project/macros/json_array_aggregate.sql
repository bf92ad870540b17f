{# The JSON values of a group as one JSON array, in ascending order of `order_by`, which no two of them share. #}
{% macro json_array_aggregate(expression, order_by) -%}
    {{ return(adapter.dispatch('json_array_aggregate', 'unified_ticketing')(expression, order_by)) }}
{%- endmacro %}

{% macro default__json_array_aggregate(expression, order_by) -%}
    json_agg({{ expression }} order by {{ order_by }})
{%- endmacro %}

{% macro duckdb__json_array_aggregate(expression, order_by) -%}
    to_json({{ ordered_list(expression, order_by) }})
{%- endmacro %}
