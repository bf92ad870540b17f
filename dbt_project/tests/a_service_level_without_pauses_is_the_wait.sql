-- By the clock on the wall and without pauses: the seconds are those from start to end (or now), those of the turn, or
-- of the resolution of a customer's ticket, and it is due the target after its start. Absurd years, which no calendar has,
-- are left out, and resolutions that stood still while their ticket was closed.
with unpaused_policies as (

    select
        policy,
        metric
    from {{ ref('stg_seeds__sla_policies') }}
    group by policy, metric
    having count(pauses_on) = 0

),

reopened_tickets as (

    select distinct
        connection_id,
        ticket_id
    from {{ ref('ticket_changes') }}
    where field = 'status' and from_value = 'closed'

),

outcomes as (

    select outcomes.*
    from {{ ref('sla_outcomes') }} as outcomes
    inner join unpaused_policies
        on
            outcomes.policy = unpaused_policies.policy
            and outcomes.metric = unpaused_policies.metric
    where
        outcomes.calendar is null
        and outcomes.outcome <> 'unknown'
        and outcomes.started_at >= {{ business_time_begins_at() }}
        and coalesce(outcomes.ended_at, outcomes.as_of) < {{ business_time_ends_at() }}

)

select
    outcomes.connection_id,
    outcomes.ticket_id,
    outcomes.metric,
    outcomes.turn_number,
    outcomes.elapsed_seconds,
    turns.wait_seconds,
    tickets.resolution_seconds,
    outcomes.due_at
from outcomes
inner join {{ ref('tickets') }} as tickets
    on
        outcomes.connection_id = tickets.connection_id
        and outcomes.ticket_id = tickets.ticket_id
left join {{ ref('conversation_turns') }} as turns
    on
        outcomes.connection_id = turns.connection_id
        and outcomes.ticket_id = turns.ticket_id
        and outcomes.turn_number = turns.turn_number
left join reopened_tickets
    on
        outcomes.connection_id = reopened_tickets.connection_id
        and outcomes.ticket_id = reopened_tickets.ticket_id
where
    (outcomes.metric <> 'resolution' or reopened_tickets.ticket_id is null)
    and (
        outcomes.elapsed_seconds
        <> greatest({{ seconds_between('outcomes.started_at', 'coalesce(outcomes.ended_at, outcomes.as_of)') }}, 0)
        or (outcomes.metric <> 'resolution' and outcomes.elapsed_seconds <> turns.wait_seconds)
        or (
            outcomes.metric = 'resolution' and tickets.opened_by_role = 'customer'
            and outcomes.elapsed_seconds <> tickets.resolution_seconds
        )
        or {{ seconds_between('outcomes.started_at', 'outcomes.due_at') }} <> outcomes.target_seconds
        or outcomes.is_breached
        <> ({{ seconds_between('outcomes.due_at', 'coalesce(outcomes.ended_at, outcomes.as_of)') }} > 0)
    )
