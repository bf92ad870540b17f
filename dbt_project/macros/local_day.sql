{# The day of a UTC timestamp on the clocks of the variable `reporting_timezone`. #}
{% macro local_day(moment) -%}
    cast(
        ({{ moment }} at time zone 'UTC')
        at time zone '{{ var("reporting_timezone") | string | replace("'", "''") }}' as date
    )
{%- endmacro %}
