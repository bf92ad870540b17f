{# The median of a duration over those rows that have one, to the nearest whole second, halves up. #}
{% macro median_seconds(expression) -%}
    {{ return(adapter.dispatch('median_seconds', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__median_seconds(expression) -%}
    cast(floor(percentile_cont(0.5) within group (order by {{ expression }}) + 0.5) as bigint)
{%- endmacro %}

{% macro duckdb__median_seconds(expression) -%}
    cast(floor(median({{ expression }}) + 0.5) as bigint)
{%- endmacro %}
