{# Whether a JSON list has a text among its elements, case aside; NULL is no list. #}
{% macro json_list_has_text(expression, text) -%}
    {{ return(adapter.dispatch('json_list_has_text', 'unified_ticketing')(expression, text)) }}
{%- endmacro %}

{% macro default__json_list_has_text(expression, text) -%}
    {{ exceptions.raise_compiler_error("json_list_has_text has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_list_has_text(expression, text) -%}
    coalesce(
        list_contains(
            list_transform(
                json_extract_string({{ expression }}, '$[*]'), lambda element: {{ lower_case('element') }}
            ),
            {{ lower_case(text) }}
        ),
        false
    )
{%- endmacro %}

{% macro postgres__json_list_has_text(expression, text) -%}
    exists(
        select 1
        from jsonb_array_elements_text(case when jsonb_typeof({{ expression }}) = 'array' then {{ expression }} end)
            as elements (element)
        where {{ lower_case('elements.element') }} = {{ lower_case(text) }}
    )
{%- endmacro %}
