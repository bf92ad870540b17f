{# The day on which something counts that is told to have happened on a day: none before 1990, and none after `last_day`,
   so that a clock that is wrong makes no thousands of days. #}
{% macro counted_on(day, last_day) -%}
    least(greatest({{ day }}, cast({{ business_time_begins_at() }} as date)), {{ last_day }})
{%- endmacro %}

{# The same of what is told to have happened at a moment (not NULL), by its local day. #}
{% macro counted_day(moment, last_day) -%}
    {{ counted_on(local_day(moment), last_day) }}
{%- endmacro %}

{# The last day that a connection may have: that of the build's clock, or up to which it has been read, if that is later. #}
{% macro last_counted_day(data_as_of) -%}
    greatest({{ local_day(as_of()) }}, {{ local_day(data_as_of) }})
{%- endmacro %}
