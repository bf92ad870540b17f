{# Whether somebody of `int_known_agents` was an agent at a moment, as far as is known. #}
{% macro was_known_agent(known_agents, moment) -%}
    (
        {{ known_agents }}.is_still_agent
        or {{ whole_second(moment) }} <= {{ whole_second(known_agents ~ '.known_until_at') }}
    )
{%- endmacro %}
