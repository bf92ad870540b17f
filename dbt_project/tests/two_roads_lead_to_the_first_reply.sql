-- The other road: the earliest agent message in or after the second of the customer's earliest one, by times alone,
-- without message numbers. Message 1 opens the ticket and is never a reply.
with spoken as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.side,
        messages.sent_at,
        messages.note_id is null as is_opening
    from {{ ref('conversation_messages') }} as messages
    inner join {{ ref('tickets') }} as tickets
        on
            messages.connection_id = tickets.connection_id
            and messages.ticket_id = tickets.ticket_id
    where
        messages.side is not null
        and messages.sent_at is not null
        and tickets.opened_at is not null
        and tickets.is_conversation_known

),

waits as (

    select
        connection_id,
        ticket_id,
        min({{ whole_second('sent_at') }}) as started_at
    from spoken
    where side = 'customer'
    group by connection_id, ticket_id

),

replies as (

    select
        spoken.connection_id,
        spoken.ticket_id,
        min(waits.started_at) as started_at,
        min(spoken.sent_at) as first_replied_at
    from spoken
    inner join waits
        on
            spoken.connection_id = waits.connection_id
            and spoken.ticket_id = waits.ticket_id
            and {{ whole_second('spoken.sent_at') }} >= waits.started_at
    where spoken.side = 'agent' and not spoken.is_opening
    group by spoken.connection_id, spoken.ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.first_replied_at,
    tickets.first_reply_seconds,
    replies.first_replied_at as first_replied_at_by_times,
    {{ seconds_between('replies.started_at', 'replies.first_replied_at') }} as first_reply_seconds_by_times
from {{ ref('tickets') }} as tickets
left join replies
    on
        tickets.connection_id = replies.connection_id
        and tickets.ticket_id = replies.ticket_id
where
    not tickets.is_deleted
    and tickets.opened_at is not null
    and (
        tickets.first_replied_at <> replies.first_replied_at
        or (tickets.first_replied_at is null) <> (replies.first_replied_at is null)
        or tickets.first_reply_seconds
        <> {{ seconds_between('replies.started_at', 'replies.first_replied_at') }}
        or (tickets.first_reply_seconds is null) <> (replies.first_replied_at is null)
    )
