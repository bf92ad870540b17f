{# Text in Unicode's composed form (NFC), so that "é" is the same however it was typed. #}
{% macro composed_text(expression) -%}
    {{ return(adapter.dispatch('composed_text', 'unified_ticketing')(expression)) }}
{%- endmacro %}

{% macro default__composed_text(expression) -%}
    normalize({{ expression }}, nfc)
{%- endmacro %}

{% macro duckdb__composed_text(expression) -%}
    nfc_normalize({{ expression }})
{%- endmacro %}
