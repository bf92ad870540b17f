{# Lets roles use a schema, where the warehouse knows roles. #}
{% macro grant_usage(schema, roles) -%}
    {{ return(adapter.dispatch('grant_usage', 'unified_ticketing')(schema, roles)) }}
{%- endmacro %}

{% macro default__grant_usage(schema, roles) -%}
{%- endmacro %}

{% macro postgres__grant_usage(schema, roles) -%}
    {%- if roles -%}
        grant usage on schema {{ schema }} to {{ roles | join(', ') }}
    {%- endif -%}
{%- endmacro %}
