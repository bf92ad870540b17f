{# Every match of a pattern replaced, letters of either case. A pattern must mean the same to RE2 and to Postgres:
   no back references, one greediness in a pattern, no dot across lines; and a reluctant pattern of alternatives is
   wrapped as `(?:…){1,1}?`, for Postgres takes alternatives as greedy. #}
{% macro regex_replace_all(expression, pattern, replacement) -%}
    {{ return(adapter.dispatch('regex_replace_all', 'unified_ticketing')(expression, pattern, replacement)) }}
{%- endmacro %}

{% macro duckdb__regex_replace_all(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', {{ replacement }}, 'gi')
{%- endmacro %}

{# In the collation C, where case and white space mean what they mean to RE2. #}
{% macro postgres__regex_replace_all(expression, pattern, replacement) -%}
    regexp_replace(({{ expression }}) collate "C", '{{ pattern }}', {{ replacement }}, 'gi')
{%- endmacro %}
