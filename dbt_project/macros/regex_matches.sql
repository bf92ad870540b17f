{# Whether a pattern is found anywhere in the text, letters of either case. #}
{% macro regex_matches(expression, pattern) -%}
    {{ return(adapter.dispatch('regex_matches', 'unified_ticketing')(expression, pattern)) }}
{%- endmacro %}

{% macro duckdb__regex_matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}', 'i')
{%- endmacro %}

{# In the collation C, where case and white space mean what they mean to RE2. #}
{% macro postgres__regex_matches(expression, pattern) -%}
    (({{ expression }}) collate "C" ~* '{{ pattern }}')
{%- endmacro %}
