-- In every group: what was open, and what came and went since, make up what is open; and a group that has something open
-- is there on each day until the connection's last.
with days as (

    select
        *,
        opened_count + reopened_count + own_reopened_count - closed_count + moved_in_count - moved_out_count
            as came_count,
        lag(day_on) over dimension as day_on_before,
        coalesce(lag(open_ticket_count) over dimension, 0) as open_ticket_count_before,
        lead(day_on) over dimension as next_day_on,
        max(day_on) over (partition by connection_id) as last_day_on
    from {{ ref('ticket_backlog_daily') }}
    window dimension as (
        partition by connection_id, category, priority, assignee_user_id, customer_tier
        order by day_on
    )

)

select *
from days
where
    open_ticket_count <> open_ticket_count_before + came_count
    or unobserved_open_ticket_count > open_ticket_count
    or (open_ticket_count > 0 and day_on < last_day_on and coalesce(next_day_on <> day_on + 1, true))
    or (
        open_ticket_count = 0 and open_ticket_count_before = 0
        and opened_count + reopened_count + own_reopened_count + moved_in_count = 0
    )
