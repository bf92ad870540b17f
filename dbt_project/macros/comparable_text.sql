{# Plain text reduced to what makes two texts "the same": case, kinds and runs of white space and Unicode's two ways to
   write an accent do not count. NULL where nothing is left. #}
{% macro comparable_text(expression) -%}
    {%- set spaced = regex_replace_all(plain_spaces(composed_text(expression)), "[\\s\\v]+", "' '") -%}
    nullif(trim({{ lower_case(spaced) }}), '')
{%- endmacro %}
