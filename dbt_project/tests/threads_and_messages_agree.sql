-- Every ticket that is not deleted has a thread with as many messages as are stored (where its
-- conversation is known), numbered 1 to n without a gap.
with stored as (

    select
        connection_id,
        ticket_id,
        count(*) as stored_count,
        max(message_number) as last_number
    from {{ ref('conversation_messages') }}
    group by connection_id, ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    threads.message_count,
    stored.stored_count,
    stored.last_number
from {{ ref('tickets') }} as tickets
left join {{ ref('conversation_threads') }} as threads
    on
        tickets.connection_id = threads.connection_id
        and tickets.ticket_id = threads.ticket_id
left join stored
    on
        tickets.connection_id = stored.connection_id
        and tickets.ticket_id = stored.ticket_id
where
    (tickets.is_deleted and (threads.ticket_id is not null or stored.ticket_id is not null))
    or (
        not tickets.is_deleted
        and (
            threads.ticket_id is null
            or threads.message_count <> stored.stored_count
            or (threads.message_count is null) = tickets.is_conversation_known
            or coalesce(stored.stored_count, 0) <> coalesce(stored.last_number, -1)
        )
    )
