{# The text at a path of keys (and list positions) in a JSON column; NULL where nothing stands there, or a null,
   a blank, an object or a list. #}
{% macro json_text(expression, path) -%}
    {{ return(adapter.dispatch('json_text', 'unified_ticketing')(expression, path)) }}
{%- endmacro %}

{% macro default__json_text(expression, path) -%}
    {{ exceptions.raise_compiler_error("json_text has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_text(expression, path) -%}
    {%- set steps = [] -%}
    {%- for step in path -%}
        {%- do steps.append('[' ~ step ~ ']' if step is number else '."' ~ step ~ '"') -%}
    {%- endfor -%}
    {%- set place = "'$" ~ steps | join ~ "'" -%}
    case
        when json_type({{ expression }}, {{ place }}) not in ('OBJECT', 'ARRAY')
            then {{ blank_to_null("json_extract_string(" ~ expression ~ ", " ~ place ~ ")") }}
    end
{%- endmacro %}

{% macro postgres__json_text(expression, path) -%}
    {%- set place = "'{" ~ path | join(",") ~ "}'" -%}
    case
        when jsonb_typeof({{ expression }} #> {{ place }}) not in ('object', 'array')
            then {{ blank_to_null(expression ~ " #>> " ~ place) }}
    end
{%- endmacro %}
