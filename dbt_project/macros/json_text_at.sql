{# The text in a JSON column at a path that is itself a value, keys with dots between; NULL as with `json_text`. #}
{% macro json_text_at(expression, path) -%}
    {{ return(adapter.dispatch('json_text_at', 'unified_ticketing')(expression, path)) }}
{%- endmacro %}

{% macro default__json_text_at(expression, path) -%}
    {{ exceptions.raise_compiler_error("json_text_at has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_text_at(expression, path) -%}
    {%- set place = "'$.\"' || replace(" ~ path ~ ", '.', '\".\"') || '\"'" -%}
    case
        when json_type({{ expression }}, {{ place }}) not in ('OBJECT', 'ARRAY')
            then {{ blank_to_null("json_extract_string(" ~ expression ~ ", " ~ place ~ ")") }}
    end
{%- endmacro %}

{% macro postgres__json_text_at(expression, path) -%}
    {%- set place = "string_to_array(" ~ path ~ ", '.')" -%}
    case
        when jsonb_typeof({{ expression }} #> {{ place }}) not in ('object', 'array')
            then {{ blank_to_null(expression ~ " #>> " ~ place) }}
    end
{%- endmacro %}
