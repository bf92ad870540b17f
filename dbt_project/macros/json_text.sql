{# The text at a path of keys (and list positions) in a JSON column; NULL where the path is absent, null or blank. #}
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
    {{ blank_to_null("json_extract_string(" ~ expression ~ ", '$" ~ steps | join ~ "')") }}
{%- endmacro %}

{% macro postgres__json_text(expression, path) -%}
    {{ blank_to_null(expression ~ " #>> '{" ~ path | join(",") ~ "}'") }}
{%- endmacro %}
