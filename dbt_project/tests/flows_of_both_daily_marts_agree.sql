-- Group by group and day by day.
with flows as (

    select
        connection_id,
        day_on,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        opened_count,
        reopened_count,
        own_reopened_count,
        closed_count
    from {{ ref('ticket_backlog_daily') }}
    union all
    select
        connection_id,
        day_on,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        -opened_count as opened_count,
        -reopened_count as reopened_count,
        -own_reopened_count as own_reopened_count,
        -closed_count as closed_count
    from {{ ref('support_daily') }}

)

select
    connection_id,
    day_on,
    category,
    priority,
    assignee_user_id,
    customer_tier
from flows
group by connection_id, day_on, category, priority, assignee_user_id, customer_tier
having
    sum(opened_count) <> 0
    or sum(reopened_count) <> 0
    or sum(own_reopened_count) <> 0
    or sum(closed_count) <> 0
