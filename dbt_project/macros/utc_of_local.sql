{# The UTC timestamp of a day and a time of it ("HH:MM", up to "24:00") on the clocks of a time zone. #}
{% macro utc_of_local(day, time_of_day, time_zone) -%}
    (
        (
            cast({{ day }} as timestamp)
            + cast(split_part({{ time_of_day }}, ':', 1) as integer) * interval '1 hour'
            + cast(split_part({{ time_of_day }}, ':', 2) as integer) * interval '1 minute'
        ) at time zone {{ time_zone }}
    ) at time zone 'UTC'
{%- endmacro %}
