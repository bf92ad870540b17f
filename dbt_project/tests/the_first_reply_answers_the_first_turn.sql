-- One road goes by messages, the other by turns: the first reply, its seconds and its business seconds are those of the
-- customer's first turn; where that was closed without a reply, the first one comes later, if at all.
with first_turns as (

    select *
    from {{ ref('conversation_turns') }}
    where reply_kind = 'first'

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.first_replied_at,
    first_turns.ended_at,
    tickets.first_reply_seconds,
    first_turns.wait_seconds,
    tickets.first_reply_business_seconds,
    first_turns.wait_business_seconds
from {{ ref('tickets') }} as tickets
left join first_turns
    on
        tickets.connection_id = first_turns.connection_id
        and tickets.ticket_id = first_turns.ticket_id
where
    {{ differs('tickets.first_customer_message_at', 'first_turns.started_at') }}
    or (tickets.is_answered and first_turns.is_open)
    or (
        first_turns.is_answered
        and (
            {{ differs('tickets.first_replied_at', 'first_turns.ended_at') }}
            or {{ differs('tickets.first_reply_seconds', 'first_turns.wait_seconds') }}
            or {{ differs('tickets.first_reply_business_seconds', 'first_turns.wait_business_seconds') }}
        )
    )
    or (
        not coalesce(first_turns.is_answered, false)
        and tickets.first_replied_at is not null
        and not coalesce(first_turns.end_reason = 'closed' and first_turns.ended_at < tickets.first_replied_at, false)
    )
    or (
        tickets.first_replied_at is null
        and (tickets.first_reply_seconds is not null or tickets.first_reply_business_seconds is not null)
    )
