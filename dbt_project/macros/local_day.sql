{# The day of a UTC timestamp on the clocks of the variable `reporting_timezone`. #}
{% macro local_day(moment) -%}
    cast({{ local_moment(moment) }} as date)
{%- endmacro %}
