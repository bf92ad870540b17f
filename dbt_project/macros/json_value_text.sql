{# The text at a path, or its `value` where an object stands there: ServiceNow gives a field either way. #}
{% macro json_value_text(expression, path) -%}
    coalesce({{ json_text(expression, path + ['value']) }}, {{ json_text(expression, path) }})
{%- endmacro %}
