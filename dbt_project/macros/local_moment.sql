{# What the clocks of the variable `reporting_timezone` show at a UTC timestamp. #}
{% macro local_moment(moment) -%}
    {%- set zone = var('reporting_timezone') | string -%}
    {%- if zone == 'UTC' -%}
        {{ moment }}
    {%- else -%}
        ({{ moment }} at time zone 'UTC') at time zone '{{ zone | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro %}
