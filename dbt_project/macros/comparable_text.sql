{# Plain text reduced to what makes two texts "the same": case, kinds and runs of white space and Unicode's two ways to
   write an accent do not count. NULL where nothing is left. #}
{% macro comparable_text(expression) -%}
    {%- set spaced = spaces_for(plain_spaces(composed_text(expression)), "\\t\\n\\v\\f\\r") -%}
    nullif(trim({{ lower_case(spaced) }}), '')
{%- endmacro %}
