{# The texts of a group as one, in ascending order of `order_by`, which no two of them share. #}
{% macro text_aggregate(expression, separator, order_by) -%}
    {{ return(adapter.dispatch('text_aggregate', 'unified_ticketing')(expression, separator, order_by)) }}
{%- endmacro %}

{% macro default__text_aggregate(expression, separator, order_by) -%}
    string_agg({{ expression }}, {{ separator }} order by {{ order_by }})
{%- endmacro %}

{% macro duckdb__text_aggregate(expression, separator, order_by) -%}
    array_to_string({{ ordered_list(expression, order_by) }}, {{ separator }})
{%- endmacro %}
