{# A whole number, written in digits; NULL for anything else. No cast here can fail. #}
{% macro whole_number_from_text(expression) -%}
    case
        when {{ regex_matches(expression, '^-?[0-9]{1,9}$') }} then cast({{ expression }} as bigint)
    end
{%- endmacro %}
