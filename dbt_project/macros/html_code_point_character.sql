{# The character of a code point; the replacement character where there is none (zero, surrogates, out of range). #}
{% macro html_code_point_character(code_point) -%}
    case
        when {{ code_point }} between 1 and 55295 or {{ code_point }} between 57344 and 1114111
            then chr({{ code_point }})
        else chr(65533)
    end
{%- endmacro %}
