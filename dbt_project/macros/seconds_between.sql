{# Seconds on the clock from the second of one timestamp to the second of another: from 09:00:00.9 to 09:00:01.0 is 1. #}
{% macro seconds_between(start, finish) -%}
    {{ return(adapter.dispatch('seconds_between', 'unified_ticketing')(start, finish)) }}
{%- endmacro %}

{% macro default__seconds_between(start, finish) -%}
    cast(extract(epoch from ({{ whole_second(finish) }} - {{ whole_second(start) }})) as bigint)
{%- endmacro %}

{% macro duckdb__seconds_between(start, finish) -%}
    date_diff('second', {{ start }}, {{ finish }})
{%- endmacro %}
