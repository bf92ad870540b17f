{# The percentile of a duration over those rows that have one: linear between the two next to its place, to the nearest
   whole second, halves up. #}
{% macro percentile_seconds(expression, share) -%}
    {{ return(adapter.dispatch('percentile_seconds', 'unified_ticketing')(expression, share)) }}
{%- endmacro %}

{# A millionth is added, since binary fractions may put what is just a half below it. #}
{% macro default__percentile_seconds(expression, share) -%}
    cast(floor(percentile_cont({{ share }}) within group (order by {{ expression }}) + 0.500001) as bigint)
{%- endmacro %}

{% macro duckdb__percentile_seconds(expression, share) -%}
    cast(floor(quantile_cont({{ expression }}, {{ share }}) + 0.500001) as bigint)
{%- endmacro %}
