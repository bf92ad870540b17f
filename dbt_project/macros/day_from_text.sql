{# A day written YYYY-MM-DD; NULL for anything else. No cast here can fail: a day that its month does not have is NULL. #}
{% macro day_from_text(expression) -%}
    case
        when {{ regex_matches(expression, '^' ~ day_pattern() ~ '$') }}
            then case when {{ is_in_its_month(expression) }} then {{ day_of_digits(expression) }} end
    end
{%- endmacro %}

{% macro day_pattern() -%}
    [1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])
{%- endmacro %}

{# The day with which a text of that pattern begins; one too many for its month is a day of the next. #}
{% macro day_of_digits(expression) -%}
    make_date(
        cast(substr({{ expression }}, 1, 4) as integer), cast(substr({{ expression }}, 6, 2) as integer), 1
    ) + cast(substr({{ expression }}, 9, 2) as integer) - 1
{%- endmacro %}

{% macro is_in_its_month(expression) -%}
    substr(cast({{ day_of_digits(expression) }} as {{ dbt.type_string() }}), 6, 2) = substr({{ expression }}, 6, 2)
{%- endmacro %}
