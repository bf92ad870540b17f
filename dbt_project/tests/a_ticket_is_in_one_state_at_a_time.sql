-- From its opening on without a gap; open first, and last as it is now.
with states as (

    select
        *,
        row_number() over ticket as counted_number,
        lead(from_at) over ticket as next_from_at,
        lead(from_on) over ticket as next_from_on,
        lead(state_number) over ticket is null as is_last
    from {{ ref('int_ticket_states') }}
    window ticket as (partition by connection_id, ticket_id order by state_number)

)

select
    states.*,
    tickets.is_closed
from states
left join {{ ref('tickets') }} as tickets
    on
        states.connection_id = tickets.connection_id
        and states.ticket_id = tickets.ticket_id
where
    states.state_number <> states.counted_number
    or {{ differs('states.until_at', 'states.next_from_at') }}
    or states.next_from_at < states.from_at
    or states.next_from_on < states.from_on
    or (states.state_number = 1 and not states.is_open)
    or (
        states.is_last
        and (
            tickets.is_deleted
            or states.is_open = tickets.is_closed
            or {{ differs('states.priority', 'tickets.priority') }}
            or {{ differs('states.assignee_user_id', 'tickets.assignee_user_id') }}
        )
    )
