{# The day on which something counts that is told to have happened at a moment: its local day, but none before 1990, and
   none after both the build's clock and what has been read, so that a clock that is wrong makes no thousands of days. #}
{% macro counted_day(moment, data_as_of) -%}
    case
        when {{ moment }} is not null
            then
                least(
                    greatest({{ local_day(moment) }}, cast({{ business_time_begins_at() }} as date)),
                    greatest({{ local_day(as_of()) }}, {{ local_day(data_as_of) }})
                )
    end
{%- endmacro %}
