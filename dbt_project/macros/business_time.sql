{# Business time is a place on a calendar's axis: the business seconds since 1990 up to a moment. Two places less one
   another are the business seconds between two moments. The calendar '' is the clock on the wall. #}

{% macro business_time_begins_at() -%}
    cast('1990-01-01' as timestamp)
{%- endmacro %}

{# The same whenever it is built, so that what was built before stays right. #}
{% macro business_time_ends_at() -%}
    cast('2100-01-01' as timestamp)
{%- endmacro %}

{# Joins the last opening of a calendar at or before a moment, for `business_place`. #}
{% macro join_opening(alias, calendar, moment) -%}
    {{ asof_join(ref('int_business_hours'), alias, {'calendar': calendar}, 'opens_at', moment) }}
{%- endmacro %}

{# The place of a moment on the axis, by the opening that was joined; NULL outside of the axis. #}
{% macro business_place(alias, moment) -%}
    case
        when {{ moment }} >= {{ business_time_begins_at() }} and {{ moment }} < {{ business_time_ends_at() }}
            then
                coalesce(
                    {{ alias }}.seconds_before
                    + least({{ seconds_between(alias ~ '.opens_at', moment) }}, {{ alias }}.open_seconds),
                    0
                )
    end
{%- endmacro %}

{# The moment of a place on the axis (the earliest: closing time rather than the next opening), by the opening that was
   joined with `asof_join` on `seconds_before`, strictly; NULL beyond the axis. #}
{% macro moment_of_business_place(alias, place) -%}
    case
        when {{ place }} - {{ alias }}.seconds_before <= {{ alias }}.open_seconds
            then {{ alias }}.opens_at + ({{ place }} - {{ alias }}.seconds_before) * interval '1 second'
    end
{%- endmacro %}
