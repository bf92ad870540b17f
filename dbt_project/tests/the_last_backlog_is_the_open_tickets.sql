-- By category, priority, assignee and customer tier: the last day's open tickets are those of `tickets`, and each ticket that has
-- a time has been opened once.
with states as (

    select distinct
        connection_id,
        ticket_id
    from {{ ref('int_ticket_states') }}

),

tickets as (

    select
        tickets.connection_id,
        coalesce(records.category_id, records.category_text) as category,
        tickets.priority,
        tickets.assignee_user_id,
        customer_tiers.customer_tier,
        case when not tickets.is_closed then 1 else 0 end as open_ticket_count,
        1 as opened_count
    from {{ ref('tickets') }} as tickets
    inner join {{ ref('stg_unified__tickets') }} as records
        on
            tickets.connection_id = records.connection_id
            and tickets.ticket_id = records.ticket_id
    left join states
        on
            tickets.connection_id = states.connection_id
            and tickets.ticket_id = states.ticket_id
    left join {{ ref('int_customers_tiered') }} as customer_tiers
        on
            tickets.connection_id = customer_tiers.connection_id
            and tickets.customer_id = customer_tiers.customer_id
    where
        not tickets.is_deleted
        and tickets.kind not in ('spam', 'merged')
        and (
            states.ticket_id is not null
            or coalesce(tickets.opened_at, tickets.closed_at, tickets.updated_at, records.observed_at) is not null
        )

),

last_days as (

    select
        connection_id,
        max(day_on) as day_on
    from {{ ref('ticket_backlog_daily') }}
    group by connection_id

),

counted as (

    select
        connection_id,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        open_ticket_count,
        0 as opened_count
    from tickets
    union all
    select
        connection_id,
        null as category,
        null as priority,
        null as assignee_user_id,
        null as customer_tier,
        0 as open_ticket_count,
        opened_count
    from tickets
    union all
    select
        backlog.connection_id,
        backlog.category,
        backlog.priority,
        backlog.assignee_user_id,
        backlog.customer_tier,
        -backlog.open_ticket_count as open_ticket_count,
        0 as opened_count
    from {{ ref('ticket_backlog_daily') }} as backlog
    inner join last_days
        on
            backlog.connection_id = last_days.connection_id
            and backlog.day_on = last_days.day_on
    union all
    select
        connection_id,
        null as category,
        null as priority,
        null as assignee_user_id,
        null as customer_tier,
        0 as open_ticket_count,
        -opened_count as opened_count
    from {{ ref('ticket_backlog_daily') }}

)

select
    connection_id,
    category,
    priority,
    assignee_user_id,
    customer_tier,
    sum(open_ticket_count) as open_ticket_difference,
    sum(opened_count) as opened_difference
from counted
group by connection_id, category, priority, assignee_user_id, customer_tier
having sum(open_ticket_count) <> 0 or sum(opened_count) <> 0
