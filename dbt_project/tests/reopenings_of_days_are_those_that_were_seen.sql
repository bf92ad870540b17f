-- Those of `ticket_changes`, our own apart, and one more of a ticket that is open though it was last seen closed.
with tickets as (

    select
        connection_id,
        ticket_id,
        is_closed
    from {{ ref('tickets') }}
    where not is_deleted and kind not in ('spam', 'merged')

),

by_day as (

    select
        connection_id,
        sum(reopened_count) as reopened_count,
        sum(own_reopened_count) as own_reopened_count
    from {{ ref('ticket_backlog_daily') }}
    group by connection_id

),

changes as (

    select
        tickets.connection_id,
        count(case when changes.is_reopening then 1 end) as reopened_count,
        count(case when changes.is_own then 1 end) as own_reopened_count
    from tickets
    inner join {{ ref('ticket_changes') }} as changes
        on
            tickets.connection_id = changes.connection_id
            and tickets.ticket_id = changes.ticket_id
            and changes.field = 'status'
            and changes.from_value = 'closed'
    group by tickets.connection_id

),

unseen as (

    select
        tickets.connection_id,
        count(*) as reopened_count
    from tickets
    inner join {{ ref('ticket_periods') }} as periods
        on
            tickets.connection_id = periods.connection_id
            and tickets.ticket_id = periods.ticket_id
            and periods.is_current
            and periods.status = 'closed'
    where not tickets.is_closed
    group by tickets.connection_id

)

select
    by_day.connection_id,
    by_day.reopened_count,
    by_day.own_reopened_count,
    changes.reopened_count as changed_count,
    changes.own_reopened_count as own_changed_count,
    unseen.reopened_count as unseen_count
from by_day
left join changes
    on by_day.connection_id = changes.connection_id
left join unseen
    on by_day.connection_id = unseen.connection_id
where
    by_day.reopened_count <> coalesce(changes.reopened_count, 0) + coalesce(unseen.reopened_count, 0)
    or by_day.own_reopened_count <> coalesce(changes.own_reopened_count, 0)
