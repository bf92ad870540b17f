{# Text in lower case, letter by letter, whatever the database's locale: one of C knows ASCII alone, a Turkish one has
   an i of its own. #}
{% macro lower_case(expression) -%}
    {{ return(adapter.dispatch('lower_case', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__lower_case(expression) -%}
    lower({{ expression }})
{%- endmacro %}

{# ICU's own rules go beyond single letters for two of them, Σ (931) at a word's end and İ (304). #}
{% macro postgres__lower_case(expression) -%}
    (lower(translate({{ expression }}, chr(931) || chr(304), chr(963) || 'i') collate "und-x-icu") collate "C")
{%- endmacro %}
