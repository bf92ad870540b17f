{# Joins each row to the texts of its JSON list, as a column of the same name as the alias; none for what is no list. #}
{% macro join_json_texts(expression, alias) -%}
    {{ return(adapter.dispatch('join_json_texts', 'unified_ticketing')(expression, alias)) }}
{%- endmacro %}

{% macro default__join_json_texts(expression, alias) -%}
    {{ exceptions.raise_compiler_error("join_json_texts has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__join_json_texts(expression, alias) -%}
    cross join unnest(json_extract_string({{ expression }}, '$[*]')) as {{ alias }}s ({{ alias }})
{%- endmacro %}

{% macro postgres__join_json_texts(expression, alias) -%}
    cross join jsonb_array_elements_text(case when jsonb_typeof({{ expression }}) = 'array' then {{ expression }} end)
        as {{ alias }}s ({{ alias }})
{%- endmacro %}
