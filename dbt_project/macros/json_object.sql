{# One JSON object from a dictionary of key to SQL expression; keys keep their order, NULL becomes null. #}
{% macro json_object(members) -%}
    {{ return(adapter.dispatch('json_object', 'unified_ticketing')(members)) }}
{%- endmacro %}

{% macro default__json_object(members) -%}
    json_object(
        {%- for key, expression in members.items() %}
        '{{ key }}', {{ expression }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro postgres__json_object(members) -%}
    json_build_object(
        {%- for key, expression in members.items() %}
        '{{ key }}', {{ expression }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
