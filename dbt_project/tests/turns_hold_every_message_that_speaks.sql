-- Messages that speak = those of the turns + those by unknown authors + agents' openings after a customer's message, of
-- every ticket whose conversation is known; no other one has turns.
with turns as (

    select
        connection_id,
        ticket_id,
        sum(message_count) as turn_message_count
    from {{ ref('conversation_turns') }}
    group by connection_id, ticket_id

),

first_customer_messages as (

    select
        connection_id,
        ticket_id,
        min(number_by_time) as number_by_time
    from {{ ref('conversation_messages') }}
    where side = 'customer'
    group by connection_id, ticket_id

),

spoken as (

    select
        messages.connection_id,
        messages.ticket_id,
        count(*) as spoken_count,
        sum(
            case
                when messages.side = 'unknown' then 1
                when
                    messages.message_number = 1 and messages.side = 'agent'
                    and first_customer_messages.number_by_time < messages.number_by_time
                    then 1
                else 0
            end
        ) as outside_count
    from {{ ref('conversation_messages') }} as messages
    left join first_customer_messages
        on
            messages.connection_id = first_customer_messages.connection_id
            and messages.ticket_id = first_customer_messages.ticket_id
    where messages.side is not null
    group by messages.connection_id, messages.ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    spoken.spoken_count,
    spoken.outside_count,
    turns.turn_message_count
from {{ ref('tickets') }} as tickets
left join spoken
    on
        tickets.connection_id = spoken.connection_id
        and tickets.ticket_id = spoken.ticket_id
left join turns
    on
        tickets.connection_id = turns.connection_id
        and tickets.ticket_id = turns.ticket_id
where
    coalesce(turns.turn_message_count, 0)
    <> case
        when tickets.is_conversation_known then coalesce(spoken.spoken_count - spoken.outside_count, 0)
        else 0
    end
