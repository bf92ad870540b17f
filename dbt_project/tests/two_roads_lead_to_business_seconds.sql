-- The other road: the seconds that the wait shares with each opening, one by one. It is long, so a thousand turns walk it.
with turns as (

    select *
    from {{ ref('conversation_turns') }}
    where wait_business_seconds is not null
    order by connection_id asc, ticket_id asc, turn_number asc
    limit 1000

),

shared_seconds as (

    select
        turns.connection_id,
        turns.ticket_id,
        turns.turn_number,
        sum(
            {{ seconds_between(
                'greatest(openings.opens_at, turns.started_at)', 'least(openings.closes_at, turns.ended_at)'
            ) }}
        ) as seconds
    from turns
    inner join {{ ref('int_connections_covered') }} as connections
        on turns.connection_id = connections.connection_id
    inner join {{ ref('int_business_hours') }} as openings
        on
            connections.calendar = openings.calendar
            and turns.started_at < openings.closes_at
            and turns.ended_at > openings.opens_at
    group by turns.connection_id, turns.ticket_id, turns.turn_number

)

select
    turns.connection_id,
    turns.ticket_id,
    turns.turn_number,
    turns.wait_business_seconds,
    shared_seconds.seconds
from turns
left join shared_seconds
    on
        turns.connection_id = shared_seconds.connection_id
        and turns.ticket_id = shared_seconds.ticket_id
        and turns.turn_number = shared_seconds.turn_number
where turns.wait_business_seconds <> coalesce(shared_seconds.seconds, 0)
