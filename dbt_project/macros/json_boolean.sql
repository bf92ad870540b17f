{# The truth at a path, written true and false or 1 and 0; NULL where neither stands there. #}
{% macro json_boolean(expression, path) -%}
    case
        when {{ lower_case(json_text(expression, path)) }} in ('true', '1') then true
        when {{ lower_case(json_text(expression, path)) }} in ('false', '0') then false
    end
{%- endmacro %}
