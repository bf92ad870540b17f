with messages as (

    select * from {{ ref('int_messages_unioned') }}

),

messages_in_time as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                case when note_id is null and sent_at is null then 0 else 1 end asc,
                {{ whole_second('sent_at') }} asc nulls last,
                case when note_id is null then 0 else 1 end asc,
                {{ author_rank('author_role') }} asc,
                sent_at asc,
                length(note_id) asc,
                {{ byte_order('note_id') }} asc
        ) as number_by_time
    from messages

),

numbered_messages as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                case when note_id is null then 0 else 1 end asc,
                number_by_time asc
        ) as message_number,
        min(case when author_role = 'customer' and visibility <> 'internal' then number_by_time end)
            over (partition by connection_id, ticket_id) as first_customer_number
    from messages_in_time

)

select
    connection_id,
    ticket_id,
    message_number,
    number_by_time,
    message_id,
    note_id,
    repeated_by_note_id,
    author_role,
    author_role_source,
    author_id,
    visibility,
    coalesce(
        author_role = 'agent'
        and visibility <> 'internal'
        and note_id is not null
        and number_by_time > first_customer_number,
        false
    ) as is_agent_reply,
    sent_at,
    body_text,
    body_html
from numbered_messages
