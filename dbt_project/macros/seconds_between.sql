{# Whole seconds from one timestamp to another, cut down: 59.9 seconds are 59. #}
{% macro seconds_between(start, finish) -%}
    {{ return(adapter.dispatch('seconds_between', 'unified_ticketing')(start, finish)) }}
{%- endmacro %}

{% macro default__seconds_between(start, finish) -%}
    cast(floor(extract(epoch from ({{ finish }} - {{ start }}))) as bigint)
{%- endmacro %}

{# date_diff('second', …) counts the second marks passed, not the time. #}
{% macro duckdb__seconds_between(start, finish) -%}
    cast(floor((epoch_us({{ finish }}) - epoch_us({{ start }})) / 1000000) as bigint)
{%- endmacro %}
