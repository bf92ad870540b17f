{# The day of a UTC timestamp on the clocks of the variable `reporting_timezone`. #}
{% macro local_day(moment) -%}
    {%- set zone = var('reporting_timezone') | string -%}
    {%- if zone == 'UTC' -%}
        cast({{ moment }} as date)
    {%- else -%}
        cast(({{ moment }} at time zone 'UTC') at time zone '{{ zone | replace("'", "''") }}' as date)
    {%- endif -%}
{%- endmacro %}
