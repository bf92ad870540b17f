{# Text without the blanks, tabs and line ends around it; NULL where nothing is left. #}
{% macro blank_to_null(expression) -%}
    nullif(trim({{ expression }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160)), '')
{%- endmacro %}
