-- The first state, closed or not, and every closing and reopening since, our own too, make up the last state.
with changes as (

    select
        connection_id,
        ticket_id,
        sum(case when is_closing then 1 else 0 end) as closing_count,
        sum(case when is_reopening then 1 else 0 end) as reopening_count,
        sum(case when field = 'status' and from_value = 'closed' and is_own then 1 else 0 end) as own_reopening_count
    from {{ ref('ticket_changes') }}
    group by connection_id, ticket_id

),

states as (

    select
        connection_id,
        ticket_id,
        max(case when period_number = 1 and status = 'closed' then 1 else 0 end) as first_closed,
        max(case when is_current and status = 'closed' then 1 else 0 end) as last_closed
    from {{ ref('ticket_periods') }}
    group by connection_id, ticket_id

)

select
    states.connection_id,
    states.ticket_id,
    states.first_closed,
    changes.closing_count,
    changes.reopening_count,
    changes.own_reopening_count,
    states.last_closed,
    tickets.observed_reopen_count
from states
inner join {{ ref('tickets') }} as tickets
    on
        states.connection_id = tickets.connection_id
        and states.ticket_id = tickets.ticket_id
left join changes
    on
        states.connection_id = changes.connection_id
        and states.ticket_id = changes.ticket_id
where
    states.first_closed + coalesce(changes.closing_count, 0)
    - coalesce(changes.reopening_count, 0) - coalesce(changes.own_reopening_count, 0)
    <> states.last_closed
    or tickets.observed_reopen_count <> coalesce(changes.reopening_count, 0)
    or tickets.reopen_count <> tickets.observed_reopen_count
