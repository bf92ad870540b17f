{# Every match of a pattern replaced, letters of either case. A pattern must mean the same to RE2 and to Postgres:
   no back references, one greediness in a pattern, no dot across lines. #}
{% macro regex_replace_all(expression, pattern, replacement) -%}
    {{ return(adapter.dispatch('regex_replace_all', 'unified_ticketing')(expression, pattern, replacement)) }}
{%- endmacro %}

{% macro default__regex_replace_all(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', {{ replacement }}, 'gi')
{%- endmacro %}
