{# The status as active, closed, or unknown for none and for words that the API does not have today. #}
{% macro status_word(expression) -%}
    case
        when {{ lower_case(expression) }} in ('active', 'closed') then {{ lower_case(expression) }}
        else 'unknown'
    end
{%- endmacro %}
