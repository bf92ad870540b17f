-- We are waited for since the start of the customer's open turn, and they since that of ours; it is unknown only where
-- somebody unknown has spoken since or nothing has been read.
with open_turns as (

    select *
    from {{ ref('conversation_turns') }}
    where is_open

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.waiting_on,
    tickets.waiting_since_at,
    open_turns.side,
    open_turns.started_at
from {{ ref('tickets') }} as tickets
left join open_turns
    on
        tickets.connection_id = open_turns.connection_id
        and tickets.ticket_id = open_turns.ticket_id
where
    not tickets.is_deleted
    and not case
        when tickets.is_closed or tickets.kind in ('spam', 'merged')
            then tickets.waiting_on = 'nobody' and tickets.waiting_since_at is null and open_turns.ticket_id is null
        when not tickets.is_conversation_known
            then tickets.waiting_on = 'unknown' and tickets.waiting_since_at is null and open_turns.ticket_id is null
        when tickets.waiting_on = 'unknown'
            then tickets.waiting_since_at is null and coalesce(open_turns.has_unknown_author, tickets.has_unknown_author)
        when open_turns.ticket_id is null
            then tickets.waiting_on = 'nobody' and tickets.waiting_since_at is null
        else
            tickets.waiting_on = case open_turns.side when 'customer' then 'us' else 'customer' end
            and not {{ differs('tickets.waiting_since_at', 'open_turns.started_at') }}
    end
