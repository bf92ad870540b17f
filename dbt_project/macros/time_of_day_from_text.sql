{# A time of day written HH:MM, up to 24:00, as that text; NULL for anything else. #}
{% macro time_of_day_from_text(expression) -%}
    case
        when {{ regex_matches(expression, '^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$') }} then {{ expression }}
    end
{%- endmacro %}
