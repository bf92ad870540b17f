{# Over a ticket's turns: what those of one side that have ended waited for in all; unknown with any part of it. #}
{% macro sum_of_waits(side, seconds) -%}
    case
        when max(case when side = '{{ side }}' and is_ended and {{ seconds }} is null then 1 else 0 end) = 0
            then coalesce(cast(sum(case when side = '{{ side }}' then {{ seconds }} end) as bigint), 0)
    end
{%- endmacro %}
