-- A ticket's messages and replies are those stored, and nobody's message is counted on two sides.
with stored as (

    select
        connection_id,
        ticket_id,
        count(*) as message_count,
        sum(case when is_agent_reply then 1 else 0 end) as agent_reply_count
    from {{ ref('conversation_messages') }}
    group by connection_id, ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id
from {{ ref('tickets') }} as tickets
left join stored
    on
        tickets.connection_id = stored.connection_id
        and tickets.ticket_id = stored.ticket_id
where
    not tickets.is_deleted
    and (
        tickets.message_count <> coalesce(stored.message_count, 0)
        or tickets.agent_reply_count <> coalesce(stored.agent_reply_count, 0)
        or tickets.agent_reply_count > tickets.agent_message_count
        or tickets.is_answered <> (tickets.agent_reply_count > 0)
        or (tickets.is_conversation_known and tickets.is_answered is null)
        <> (tickets.agent_reply_count = 0 and tickets.has_unknown_author)
        or tickets.agent_count > tickets.agent_reply_count
        or tickets.message_count
        < tickets.customer_message_count + tickets.agent_message_count + tickets.bot_message_count
    )
