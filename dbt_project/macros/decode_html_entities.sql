{# HTML entities, named or numbered, as characters; each is decoded once, so that "&amp;lt;" reads "&lt;". What names no
   character stays as it is. The text is cut into entities and the stretches between them, and joined again. #}
{% macro decode_html_entities(expression) -%}
    {{ return(adapter.dispatch('decode_html_entities', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__decode_html_entities(expression) -%}
    (
        select string_agg({{ html_entity_character('pieces.texts[1]') }}, '' order by pieces.position)
        from regexp_matches({{ expression }}, '{{ html_entity_pattern() }}', 'g')
            with ordinality as pieces (texts, position)
    )
{%- endmacro %}

{% macro duckdb__decode_html_entities(expression) -%}
    array_to_string(
        list_transform(
            regexp_extract_all({{ expression }}, '{{ html_entity_pattern() }}'),
            lambda piece: {{ html_entity_character('piece') }}
        ),
        ''
    )
{%- endmacro %}
