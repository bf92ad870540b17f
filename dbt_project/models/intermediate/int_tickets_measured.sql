with messages as (

    select
        connection_id,
        ticket_id,
        number_by_time,
        author_role,
        visibility,
        sent_at,
        is_agent_reply,
        visibility <> 'internal' and author_role <> 'bot' as is_spoken,
        note_id is null as is_opening
    from {{ ref('conversation_messages') }}

),

last_spoken as (

    select
        connection_id,
        ticket_id,
        max(case when author_role = 'customer' then number_by_time else 0 end) as customer_number,
        max(case when author_role = 'agent' then number_by_time else 0 end) as agent_number,
        max(case when author_role = 'unknown' then number_by_time else 0 end) as unknown_number
    from messages
    where is_spoken
    group by connection_id, ticket_id

),

last_turns as (

    select
        messages.connection_id,
        messages.ticket_id,
        max(messages.author_role) as last_spoken_role,
        min(messages.sent_at) as last_turn_started_at
    from messages
    inner join last_spoken
        on
            messages.connection_id = last_spoken.connection_id
            and messages.ticket_id = last_spoken.ticket_id
    where
        messages.is_spoken
        and messages.number_by_time > case messages.author_role
            when 'customer' then greatest(last_spoken.agent_number, last_spoken.unknown_number)
            when 'agent' then greatest(last_spoken.customer_number, last_spoken.unknown_number)
            else greatest(last_spoken.customer_number, last_spoken.agent_number)
        end
    group by messages.connection_id, messages.ticket_id

),

first_customer_messages as (

    select
        connection_id,
        ticket_id,
        min(number_by_time) as number_by_time
    from messages
    where author_role = 'customer' and is_spoken
    group by connection_id, ticket_id

),

waits as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.sent_at
    from messages
    inner join first_customer_messages
        on
            messages.connection_id = first_customer_messages.connection_id
            and messages.ticket_id = first_customer_messages.ticket_id
            and messages.number_by_time = first_customer_messages.number_by_time

),

message_figures as (

    select
        connection_id,
        ticket_id,
        count(*) as message_count,
        cast(sum(case when author_role = 'customer' and is_spoken then 1 else 0 end) as bigint)
            as customer_message_count,
        cast(sum(case when author_role = 'agent' and is_spoken then 1 else 0 end) as bigint) as agent_message_count,
        cast(sum(case when is_agent_reply then 1 else 0 end) as bigint) as agent_reply_count,
        cast(sum(case when author_role = 'bot' then 1 else 0 end) as bigint) as bot_message_count,
        cast(sum(case when visibility = 'internal' then 1 else 0 end) as bigint) as internal_message_count,
        max(case when visibility = 'unknown' then 1 else 0 end) as unknown_visibility,
        max(case when author_role = 'unknown' then 1 else 0 end) as unknown_author,
        max(case when is_opening then author_role end) as opened_by_role,
        min(case when is_agent_reply then sent_at end) as first_replied_at,
        max(case when author_role = 'customer' and is_spoken then sent_at end) as last_customer_message_at,
        max(case when author_role = 'agent' and is_spoken then sent_at end) as last_agent_message_at,
        min(case when is_spoken then sent_at end) as first_contact_at,
        max(case when is_spoken then sent_at end) as last_contact_at,
        min(sent_at) as first_message_at,
        max(sent_at) as last_message_at
    from messages
    group by connection_id, ticket_id

)

select
    message_figures.connection_id,
    message_figures.ticket_id,
    message_figures.opened_by_role,
    waits.sent_at as first_customer_message_at,
    message_figures.first_replied_at,
    {{ seconds_between('waits.sent_at', 'message_figures.first_replied_at') }}
        as first_reply_seconds,
    message_figures.message_count,
    message_figures.customer_message_count,
    message_figures.agent_message_count,
    message_figures.agent_reply_count,
    message_figures.bot_message_count,
    message_figures.internal_message_count,
    message_figures.unknown_visibility = 1 as has_unknown_visibility,
    message_figures.unknown_author = 1 as has_unknown_author,
    message_figures.first_message_at,
    message_figures.last_message_at,
    message_figures.first_contact_at,
    message_figures.last_contact_at,
    message_figures.last_customer_message_at,
    message_figures.last_agent_message_at,
    last_turns.last_spoken_role,
    last_turns.last_turn_started_at
from message_figures
left join waits
    on
        message_figures.connection_id = waits.connection_id
        and message_figures.ticket_id = waits.ticket_id
left join last_turns
    on
        message_figures.connection_id = last_turns.connection_id
        and message_figures.ticket_id = last_turns.ticket_id
