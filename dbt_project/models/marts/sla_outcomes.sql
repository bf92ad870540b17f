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

told_clocks as (

    select
        *,
        case
            when elapsed_seconds is null then 'unknown'
            when elapsed_seconds > target_seconds and (has_unknown_pauses or has_unknown_author) then 'unknown'
            when state = 'running' and elapsed_seconds > target_seconds then 'overdue'
            when state = 'running' and running_since_place is null then 'paused'
            when state = 'running' then 'running'
            when elapsed_seconds > target_seconds then 'missed'
            when state = 'closed' then 'cancelled'
            else 'met'
        end as outcome
    from used_clocks

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
    elapsed_seconds,
    case
        when elapsed_seconds is not null then greatest(seconds_since_start - elapsed_seconds, 0)
    end as paused_seconds,
    target_seconds - elapsed_seconds as remaining_seconds,
    outcome,
    case when outcome <> 'unknown' then outcome in ('missed', 'overdue') end as is_breached,
    state = 'running' as is_running,
    has_unknown_pauses,
    has_unknown_author,
    case
        when outcome <> 'unknown'
            then outcome = 'running' and elapsed_seconds >= {{ var('sla_at_risk_share') }} * target_seconds
    end as is_at_risk,
    data_as_of,
    as_of
from told_clocks
