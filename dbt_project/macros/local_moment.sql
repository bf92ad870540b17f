{# A UTC timestamp as the clocks of the variable `reporting_timezone` show it. #}
{% macro local_moment(moment) -%}
    (({{ moment }} at time zone 'UTC') at time zone '{{ var("reporting_timezone") }}')
{%- endmacro %}
