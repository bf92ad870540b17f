with turns as (

    select * from {{ ref('conversation_turns') }}
    where reply_kind is not null and started_at is not null and end_reason <> 'after_closing'

),

tickets as (

    select * from {{ ref('tickets') }}
    where not is_deleted and kind not in ('spam', 'merged')

),

first_turns as (

    select * from {{ ref('conversation_turns') }}
    where reply_kind = 'first'

),

reply_clocks as (

    select
        connection_id,
        ticket_id,
        reply_kind || '_reply' as metric,
        turn_number,
        integration_type,
        started_at,
        ended_at,
        case
            when end_reason = 'open' then 'running'
            when ended_at is null then 'unknown'
            else end_reason
        end as state,
        has_unknown_author
    from turns

),

resolutions as (

    select
        tickets.connection_id,
        tickets.ticket_id,
        tickets.integration_type,
        case
            when tickets.opened_by_role = 'customer' then tickets.opened_at
            else first_turns.started_at
        end as started_at,
        tickets.closed_at as ended_at,
        tickets.is_closed
    from tickets
    left join first_turns
        on
            tickets.connection_id = first_turns.connection_id
            and tickets.ticket_id = first_turns.ticket_id

),

resolution_clocks as (

    select
        connection_id,
        ticket_id,
        'resolution' as metric,
        cast(0 as bigint) as turn_number,
        integration_type,
        started_at,
        case when {{ in_order('started_at', 'ended_at') }} then ended_at end as ended_at,
        case
            when not is_closed then 'running'
            when {{ in_order('started_at', 'ended_at') }} then 'answered'
            else 'unknown'
        end as state,
        false as has_unknown_author
    from resolutions
    where started_at is not null

)

select * from reply_clocks
union all
select * from resolution_clocks
