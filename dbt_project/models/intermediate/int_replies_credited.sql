{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with replies as (

    select
        connection_id,
        ticket_id,
        message_number,
        number_by_time,
        author_id as agent_id,
        sent_at
    from {{ due(ref('conversation_messages')) }} as messages
    where is_agent_reply

),

ends as (

    select
        connection_id,
        ticket_id,
        min(number_by_time) as first_number_by_time,
        max(number_by_time) as last_number_by_time
    from replies
    group by connection_id, ticket_id

),

tickets as (

    select
        connection_id,
        ticket_id,
        first_reply_seconds,
        closed_at,
        is_closed
    from {{ due(ref('tickets')) }} as tickets
    where agent_reply_count > 0

)

select
    replies.connection_id,
    replies.ticket_id,
    replies.message_number,
    replies.agent_id,
    replies.sent_at,
    replies.number_by_time = ends.first_number_by_time as is_first_reply,
    replies.number_by_time = ends.last_number_by_time and tickets.is_closed as is_last_of_closed,
    case when replies.number_by_time = ends.first_number_by_time then tickets.first_reply_seconds end
        as first_reply_seconds,
    case when replies.number_by_time = ends.last_number_by_time then tickets.closed_at end as closed_at
from replies
inner join ends
    on
        replies.connection_id = ends.connection_id
        and replies.ticket_id = ends.ticket_id
inner join tickets
    on
        replies.connection_id = tickets.connection_id
        and replies.ticket_id = tickets.ticket_id
