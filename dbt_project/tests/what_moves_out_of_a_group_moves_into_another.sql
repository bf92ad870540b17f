-- On the same day of the same connection and customer tier.
select
    connection_id,
    day_on,
    customer_tier,
    sum(moved_in_count) as moved_in_count,
    sum(moved_out_count) as moved_out_count
from {{ ref('ticket_backlog_daily') }}
group by connection_id, day_on, customer_tier
having sum(moved_in_count) <> sum(moved_out_count)
