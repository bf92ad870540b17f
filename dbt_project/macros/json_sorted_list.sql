{# The texts of a JSON list as the text of a JSON list, sorted by bytes, each once; NULL where there is none. #}
{% macro json_sorted_list(expression) -%}
    {{ return(adapter.dispatch('json_sorted_list', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__json_sorted_list(expression) -%}
    {{ exceptions.raise_compiler_error("json_sorted_list has no implementation for " ~ adapter.type()) }}
{%- endmacro %}

{% macro duckdb__json_sorted_list(expression) -%}
    nullif(
        cast(to_json(list_sort(list_distinct(json_extract_string({{ expression }}, '$[*]')))) as varchar), '[]'
    )
{%- endmacro %}

{# Written together by hand: how Postgres writes a list has blanks in it. #}
{% macro postgres__json_sorted_list(expression) -%}
    (
        select '[' || string_agg(texts.text_json, ',' order by texts.element collate "C") || ']'
        from (
            select distinct
                elements.element,
                cast(to_json(elements.element) as text) as text_json
            from jsonb_array_elements_text(case when jsonb_typeof({{ expression }}) = 'array' then {{ expression }} end)
                as elements (element)
            where elements.element is not null
        ) as texts
    )
{%- endmacro %}
