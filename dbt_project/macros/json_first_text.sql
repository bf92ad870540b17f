{# The first text that is not blank under one key of the objects in a JSON list; NULL where there is none. #}
{% macro json_first_text(expression, key) -%}
    {{ return(adapter.dispatch('json_first_text', 'unified_ticketing')(expression, key)) }}
{%- endmacro %}

{% macro default__json_first_text(expression, key) -%}
    {{ exceptions.raise_compiler_error("json_first_text has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_first_text(expression, key) -%}
    list_filter(
        list_transform(
            json_extract({{ expression }}, '$[*]."{{ key }}"'),
            lambda candidate: {{ json_text('candidate', []) }}
        ),
        lambda candidate: candidate is not null
    )[1]
{%- endmacro %}

{% macro postgres__json_first_text(expression, key) -%}
    (
        select {{ json_text('elements.element', [key]) }}
        from jsonb_array_elements(case when jsonb_typeof({{ expression }}) = 'array' then {{ expression }} end)
            with ordinality as elements (element, position)
        where {{ json_text('elements.element', [key]) }} is not null
        order by elements.position
        limit 1
    )
{%- endmacro %}
