{# A vendor's time as a UTC timestamp: ISO-8601, "YYYY-MM-DD HH:MM:SS" as UTC, or seconds since 1970; NULL for anything
   else. No cast here can fail: a day that its month does not have is NULL. #}
{% macro moment_from_text(expression) -%}
    {%- set shape = "^" ~ day_pattern() ~ "[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-5]):?[0-5][0-9])?$" -%}
    {%- set fraction = "rpad(substr(regexp_replace(" ~ expression ~ ", '^.{19}(?:[.]([0-9]+))?.*$', '\\1'), 1, 6), 6, '0')" -%}
    {%- set zone = "regexp_replace(" ~ expression ~ ", '^.{19}(?:[.][0-9]+)?', '')" -%}
    case
        when {{ regex_matches(expression, '^[0-9]{9,11}$') }}
            then cast('1970-01-01' as timestamp) + cast({{ expression }} as bigint) * interval '1 second'
        when
            {{ regex_matches(expression, shape) }}
            and {{ is_in_its_month(expression) }}
            then
                cast({{ day_of_digits(expression) }} as timestamp)
                + cast(substr({{ expression }}, 12, 2) as integer) * interval '1 hour'
                + cast(substr({{ expression }}, 15, 2) as integer) * interval '1 minute'
                + cast(substr({{ expression }}, 18, 2) as integer) * interval '1 second'
                + cast({{ fraction }} as integer) * interval '1 microsecond'
                - case
                    when {{ zone }} in ('', 'Z', 'z') then 0
                    else
                        (
                            cast(substr({{ zone }}, 2, 2) as integer) * 60
                            + cast(right({{ zone }}, 2) as integer)
                        ) * case when substr({{ zone }}, 1, 1) = '-' then -1 else 1 end
                end * interval '1 minute'
    end
{%- endmacro %}
