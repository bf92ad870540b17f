{# The median of a duration over those rows that have one, to the nearest whole second, halves up. #}
{% macro median_seconds(expression) -%}
    {{ percentile_seconds(expression, 0.5) }}
{%- endmacro %}
