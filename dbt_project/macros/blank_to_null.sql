{# Text without the blanks around it; NULL where nothing is left. #}
{% macro blank_to_null(expression) -%}
    nullif(trim({{ expression }}), '')
{%- endmacro %}
