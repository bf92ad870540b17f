{{
    config(
        materialized='incremental',
        incremental_strategy='due_tickets',
        post_hook='{{ add_other_batches() }}'
    )
}}

with messages as (

    select * from {{ due(ref('conversation_messages'), batch=0) }} as messages

),

tickets as (

    select * from {{ due(ref('tickets'), batch=0) }} as tickets
    where not is_deleted

),

threads as (

    select
        connection_id,
        ticket_id,
        {{ json_array_aggregate(
            json_object({
                'message_number': 'message_number',
                'author_role': 'author_role',
                'author_id': 'author_id',
                'visibility': 'visibility',
                'is_agent_reply': 'is_agent_reply',
                'sent_at': iso_timestamp('sent_at'),
                'body_text': 'body_text',
            }),
            order_by='message_number'
        ) }} as messages,
        {{ text_aggregate(
            "'[' || coalesce(replace(substr(" ~ iso_timestamp('sent_at') ~ ", 1, 19), 'T', ' ') || ' UTC', 'no time')"
            ~ " || '] ' || author_role"
            ~ " || case visibility when 'internal' then ' (internal)' when 'unknown' then ' (visibility unknown)' else '' end"
            ~ " || chr(10) || coalesce(body_text, '(no text)')",
            separator="chr(10) || chr(10)",
            order_by='message_number'
        ) }} as transcript
    from messages
    group by connection_id, ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.integration_type,
    tickets.customer_id,
    tickets.subject,
    cast(threads.messages as json) as messages,
    threads.transcript,
    tickets.message_count,
    tickets.customer_message_count,
    tickets.agent_message_count,
    tickets.agent_reply_count,
    tickets.bot_message_count,
    tickets.internal_message_count,
    tickets.first_message_at,
    tickets.last_message_at,
    tickets.waiting_on,
    tickets.waiting_since_at,
    tickets.is_closed,
    tickets.has_unknown_visibility,
    tickets.has_unknown_author
from tickets
inner join threads
    on
        tickets.connection_id = threads.connection_id
        and tickets.ticket_id = threads.ticket_id
