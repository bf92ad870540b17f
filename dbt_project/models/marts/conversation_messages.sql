with messages as (

    select * from {{ ref('int_messages_unioned') }}

),

numbered_messages as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                case when note_id is null then 0 else 1 end asc,
                sent_at asc nulls last,
                case author_role when 'customer' then 1 when 'agent' then 2 when 'bot' then 3 else 4 end asc,
                length(note_id) asc,
                {{ byte_order('note_id') }} asc
        ) as message_number
    from messages

),

first_customer_numbers as (

    select
        connection_id,
        ticket_id,
        min(message_number) as message_number
    from numbered_messages
    where author_role = 'customer' and visibility <> 'internal'
    group by connection_id, ticket_id

),

first_customer_messages as (

    select
        numbered_messages.connection_id,
        numbered_messages.ticket_id,
        numbered_messages.message_number,
        numbered_messages.sent_at
    from numbered_messages
    inner join first_customer_numbers
        on
            numbered_messages.connection_id = first_customer_numbers.connection_id
            and numbered_messages.ticket_id = first_customer_numbers.ticket_id
            and numbered_messages.message_number = first_customer_numbers.message_number

)

select
    numbered_messages.connection_id,
    numbered_messages.ticket_id,
    numbered_messages.message_number,
    numbered_messages.message_id,
    numbered_messages.note_id,
    numbered_messages.repeated_by_note_id,
    numbered_messages.author_role,
    numbered_messages.author_role_source,
    numbered_messages.author_id,
    numbered_messages.visibility,
    coalesce(
        numbered_messages.author_role = 'agent'
        and numbered_messages.visibility <> 'internal'
        and numbered_messages.message_number > first_customer_messages.message_number
        and coalesce(numbered_messages.sent_at >= first_customer_messages.sent_at, true),
        false
    ) as is_agent_reply,
    numbered_messages.sent_at,
    numbered_messages.body_text,
    numbered_messages.body_html
from numbered_messages
left join first_customer_messages
    on
        numbered_messages.connection_id = first_customer_messages.connection_id
        and numbered_messages.ticket_id = first_customer_messages.ticket_id
