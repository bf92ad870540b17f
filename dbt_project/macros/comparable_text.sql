{# Plain text reduced to what makes two messages "the same": case and white space do not count. #}
{% macro comparable_text(expression) -%}
    lower({{ regex_replace_all(expression, "\\s+", "' '") }})
{%- endmacro %}
