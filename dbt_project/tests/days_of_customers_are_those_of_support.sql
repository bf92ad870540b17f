-- Both marts count what was done, one by customer and the other by group: a ticket with a customer has a tier, and no other has.
{%- set counts = [
    'opened_count', 'reopened_count', 'own_reopened_count', 'closed_count', 'customer_message_count',
    'agent_reply_count', 'timed_first_reply_count', 'first_reply_seconds_sum',
] %}

with counted as (

    select
        connection_id,
        day_on,
        {% for count in counts -%}
            coalesce({{ count }}, 0) as {{ count }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('support_daily') }}
    where customer_tier is not null
    union all
    select
        connection_id,
        day_on,
        {% for count in counts -%}
            -coalesce({{ count }}, 0) as {{ count }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('customer_support_daily') }}

)

select
    connection_id,
    day_on
from counted
group by connection_id, day_on
having
    {% for count in counts -%}
        {{ 'or ' if not loop.first }}sum({{ count }}) <> 0
    {% endfor %}
