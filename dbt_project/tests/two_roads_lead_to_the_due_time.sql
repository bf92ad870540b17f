-- The other road: where nothing pauses, nor can pause later, the openings from the start to due_at hold the target, one by
-- one, and due_at is within an opening. It is long, so a thousand service levels walk it.
with outcomes as (

    select * from {{ ref('sla_outcomes') }}
    where
        calendar is not null
        and due_at is not null
        and paused_seconds = 0
        and (due_at <= as_of or (metric <> 'resolution' and pauses_on is null))
    order by connection_id asc, ticket_id asc, metric asc, turn_number asc
    limit 1000

),

shared_seconds as (

    select
        outcomes.connection_id,
        outcomes.ticket_id,
        outcomes.metric,
        outcomes.turn_number,
        max(openings.opens_at) as opens_at,
        max(openings.closes_at) as closes_at,
        sum(
            {{ seconds_between(
                'greatest(openings.opens_at, outcomes.started_at)', 'least(openings.closes_at, outcomes.due_at)'
            ) }}
        ) as seconds
    from outcomes
    inner join {{ ref('int_business_hours') }} as openings
        on
            outcomes.calendar = openings.calendar
            and outcomes.started_at < openings.closes_at
            and outcomes.due_at > openings.opens_at
    group by outcomes.connection_id, outcomes.ticket_id, outcomes.metric, outcomes.turn_number

)

select
    outcomes.connection_id,
    outcomes.ticket_id,
    outcomes.metric,
    outcomes.turn_number,
    outcomes.due_at,
    outcomes.target_seconds,
    shared_seconds.seconds
from outcomes
left join shared_seconds
    on
        outcomes.connection_id = shared_seconds.connection_id
        and outcomes.ticket_id = shared_seconds.ticket_id
        and outcomes.metric = shared_seconds.metric
        and outcomes.turn_number = shared_seconds.turn_number
where
    coalesce(shared_seconds.seconds, 0) <> outcomes.target_seconds
    or outcomes.due_at > shared_seconds.closes_at
