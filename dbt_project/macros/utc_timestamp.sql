{# A timestamp with zone as a plain timestamp in UTC, whatever the session's zone: a bare cast would use that zone. #}
{% macro utc_timestamp(expression) -%}
    {{ return(adapter.dispatch('utc_timestamp', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__utc_timestamp(expression) -%}
    ({{ expression }} at time zone 'UTC')
{%- endmacro %}
