with clocks as (

    select * from {{ ref('int_sla_clocks') }}

),

calendars as (

    select * from {{ ref('int_calendars_now') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

used_clocks as (

    select
        clocks.*,
        calendars.as_of,
        connections.data_as_of,
        clocks.used_seconds
        + case
            when clocks.running_since_place is null then 0
            else greatest(calendars.place - clocks.running_since_place, 0)
        end as elapsed_seconds,
        greatest(
            case when clocks.state = 'running' then calendars.place else clocks.ended_place end
            - clocks.started_place,
            0
        ) as seconds_since_start
    from clocks
    inner join calendars
        on clocks.calendar = calendars.calendar
    left join connections
        on clocks.connection_id = connections.connection_id

),

-- What has come after a clock in the past is known to the build: no more can be used up by then than has gone by, and
-- not the target before it is due.
capped_clocks as (

    select
        used_clocks.*,
        case
            when used_clocks.elapsed_seconds is not null and used_clocks.state = 'running'
                then
                    least(
                        used_clocks.elapsed_seconds,
                        case when used_clocks.started_place is not null then used_clocks.seconds_since_start end,
                        case when used_clocks.due_at > used_clocks.as_of then used_clocks.target_seconds end
                    )
            else used_clocks.elapsed_seconds
        end as capped_seconds
    from used_clocks

),

told_clocks as (

    select
        *,
        case
            when capped_seconds is null then 'unknown'
            when capped_seconds > target_seconds and (has_unknown_pauses or has_unknown_author) then 'unknown'
            when state = 'running' and capped_seconds > target_seconds then 'overdue'
            when state = 'running' and running_since_place is null then 'paused'
            when state = 'running' then 'running'
            when capped_seconds > target_seconds then 'missed'
            when state = 'closed' then 'cancelled'
            else 'met'
        end as outcome
    from capped_clocks

)

select
    connection_id,
    ticket_id,
    metric,
    turn_number,
    integration_type,
    policy,
    nullif(calendar, '') as calendar,
    pauses_on,
    target_seconds,
    started_at,
    ended_at,
    due_at,
    capped_seconds as elapsed_seconds,
    case
        when capped_seconds is not null then greatest(seconds_since_start - capped_seconds, 0)
    end as paused_seconds,
    target_seconds - capped_seconds as remaining_seconds,
    outcome,
    case when outcome <> 'unknown' then outcome in ('missed', 'overdue') end as is_breached,
    state = 'running' as is_running,
    has_unknown_pauses,
    has_unknown_author,
    case
        when outcome <> 'unknown'
            then outcome = 'running' and capped_seconds >= {{ var('sla_at_risk_share') }} * target_seconds
    end as is_at_risk,
    data_as_of,
    as_of
from told_clocks
