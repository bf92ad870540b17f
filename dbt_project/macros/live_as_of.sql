{# The clock of a view: the moment of the query as a UTC timestamp, or the run's clock where one was given. #}
{% macro live_as_of() -%}
    {% if var('as_of', none) %}{{ as_of() }}{% else %}cast(now() at time zone 'UTC' as timestamp){% endif %}
{%- endmacro %}
